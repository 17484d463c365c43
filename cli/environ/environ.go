// Package environ takes the variables of a process away from the Go runtime and
// the libraries.
//
// The environment of a build step is inherited from its base image, so it is the
// word of a stranger. Variables such as GODEBUG, TZ and RES_OPTIONS change what
// the standard library does, prints and opens. docs/environment.md has the list.
package environ

import (
	"io"
	"log"
	"maps"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Kept names the variables that stay: net/http reads them to find a proxy. TLS
// goes through a proxy from end to end, and plain http never uses one.
var Kept = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}

// Vars are the variables of a process by name.
type Vars map[string]string

// Lookup returns a variable as os.LookupEnv does.
func (v Vars) Lookup(name string) (value string, ok bool) {
	value, ok = v[name]
	return value, ok
}

// Environ returns all variables as os.Environ does, sorted by name.
func (v Vars) Environ() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		all = append(all, name+"="+v[name])
	}
	return all
}

// Take returns the variables of the process, and removes them from it, except
// those of Kept. It also undoes what the runtime has read of them already, as far
// as that is possible. It is for the first line of main, before another goroutine
// runs.
func Take() Vars {
	vars := Vars{}
	for _, entry := range os.Environ() {
		for i := 1; i < len(entry); i++ {
			if entry[i] == '=' {
				name := entry[:i]
				if v, ok := os.LookupEnv(name); ok {
					vars[name] = v
				}
				break
			}
		}
	}
	os.Clearenv() // the settings of GODEBUG go back to their defaults, too
	for _, name := range Kept {
		if v, ok := vars[name]; ok {
			os.Setenv(name, v) // of a name and value that were there: it cannot fail
		}
	}

	debug.SetGCPercent(100)             // GOGC
	debug.SetMemoryLimit(math.MaxInt64) // GOMEMLIMIT
	runtime.SetDefaultGOMAXPROCS()      // GOMAXPROCS
	// TZ may name a FIFO, which is opened when a local time is first used.
	time.Local = time.UTC
	// With GOTRACEBACK=crash a crash writes memory, and so the token, into the image.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a lower limit is always allowed
	// net/http logs bytes that a service sends unasked.
	log.SetOutput(io.Discard)

	return vars
}
