// Package builders holds the tests that put what people paste, the lines of
// Dockerfile.example and the files of docs/patterns, through real builders:
// Docker's classic one and its BuildKit, buildah and podman, and with the variable
// BUILDKIT, which names a folder with buildkitd and buildctl, a BuildKit of today.
// With BUILDX too, which names the program, BuildKit runs assay as its SBOM
// generator.
// The images are a real Debian, the service is a real assayd with real advisories.
// They need root and the packages of deploy/needs.sh, and stay on this machine but
// for Debian's packages. docs/builders.md is what they hold.
package builders
