//! Compiles the kernels for the CPU where the feature `shim` asks for it; otherwise there is nothing to build.

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    #[cfg(feature = "shim")]
    cc::Build::new().cpp(true).std("c++17").file("kernels/shim.cpp").warnings(false).compile("forebay_shim");
}
