// Package e2e tests both programs from end to end: as a release is built, with real
// processes, sockets, signals and file systems.
package e2e
