// Package deploy tests the files in the folder deploy with the programs that use them: a
// container engine with compose, and systemd. The manifests of Kubernetes have a module
// of their own, check/manifests.
package deploy
