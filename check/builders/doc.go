// Package builders holds the tests that put the lines of Dockerfile.example
// through real builders: Docker's classic one and its BuildKit, on a real Debian
// root, against a real assayd with real advisories. They need root, docker.io
// and debootstrap, and stay on this machine but for Debian's packages.
package builders
