// Package e2e tests both programs from end to end: built like a release, with real
// processes, sockets, signals and filesystems.
package e2e
