//! The GPU keeps the contract of a device. To be run where there is one: `cargo test -p forebay-cuda -- --ignored`.

use cuda::Cuda;
use forebay_cuda as cuda;
use host::codec::Decoder;
use plan::Codec;

fn decode(codec: &Codec, encoded: &[u8], chunk: usize, _element: usize) -> Vec<u8> {
    let mut out = vec![0; chunk];
    Decoder::new().decode(codec, encoded, &mut out).unwrap();
    out
}

#[test]
#[ignore = "needs a GPU"]
fn the_gpu_keeps_the_contract() {
    let device = Cuda::open(0).unwrap();
    device::contract::check(&device, &[Codec::Zstd { level: 0 }], &decode);
}
