// Every kernel, in one module.
#include "aggregate.cu"
#include "copy.cu"
#include "crc32c.cu"
#include "encode.cu"
#include "reduce.cu"
#include "scatter.cu"
