//! Compiles the kernels for the CPU where the feature `shim` asks for it; otherwise there is nothing to build.

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    #[cfg(feature = "shim")]
    {
        println!("cargo::rerun-if-changed=tests/shim/canaries.cu");
        let mut build = cc::Build::new();
        // Kernels move a thread's worth of bytes at a time: without optimization a test would take minutes.
        build.cpp(true).std("c++17").opt_level(2).warnings(false).flag("-fno-strict-aliasing");
        build.file("kernels/shim.cpp").file("kernels/emulator.cpp").compile("forebay_shim");
    }
}
