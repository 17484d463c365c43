// Package builders tests the examples that people copy, Dockerfile.example and the files
// of docs/patterns, with real builders: Docker's classic builder and its BuildKit,
// buildah and podman. If the variable BUILDKIT names a folder with buildkitd and
// buildctl, the tests also use that newer BuildKit. If BUILDX names the program too,
// BuildKit runs assay as its SBOM generator.
//
// The images are a real Debian, and the service is a real assayd with real advisories.
// The tests need root and the packages of deploy/needs.sh. They use no network, except
// to fetch Debian's packages. They check the tables of docs/builders.md.
package builders
