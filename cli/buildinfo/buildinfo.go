// Package buildinfo names the version of a program.
package buildinfo

import "runtime/debug"

// Version returns the version that the linker set, else the module version that go
// install recorded, else "devel".
func Version(set string) string {
	if set != "" {
		return set
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
