//! The host device: lanes on threads, reference kernels, CPU codecs.
