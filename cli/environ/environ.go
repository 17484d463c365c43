// Package environ hides the variables of a process from the Go runtime and the libraries.
//
// A build step inherits its environment from the base image, so its variables cannot be
// trusted. Variables such as GODEBUG, TZ and RES_OPTIONS change what the standard library
// does, prints and opens. docs/environment.md has the list.
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

// Kept names the variables that stay, which net/http reads to find a proxy. A proxy does
// not see inside TLS, and assay uses no proxy for plain http.
var Kept = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}

// Vars are the variables of a process, by name.
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

// Take returns the variables of the process and removes all of them except Kept. As far as
// possible it also undoes the effect of those that the runtime has read already. Call it in
// the first line of main, before another goroutine runs.
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
	os.Clearenv() // this also resets the settings of GODEBUG
	for _, name := range Kept {
		if v, ok := vars[name]; ok {
			os.Setenv(name, v) // cannot fail: the name and value were valid before
		}
	}

	debug.SetGCPercent(100)             // GOGC
	debug.SetMemoryLimit(math.MaxInt64) // GOMEMLIMIT
	runtime.SetDefaultGOMAXPROCS()      // GOMAXPROCS
	// TZ may name a FIFO, which would be opened at the first use of a local time.
	time.Local = time.UTC
	// With GOTRACEBACK=crash a crash would write the memory, and so the token, into the image.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // lowering a limit is always allowed
	// net/http logs bytes that a server sends without a request.
	log.SetOutput(io.Discard)

	return vars
}
