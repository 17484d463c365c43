package builders

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"assay/check/testkit/assayd"
)

// testFresh builds three times without a change to the Dockerfile: the second
// build is cached, and the third, after the served client has changed, scans. So
// that nothing depends on how long builds take, the change is one of two services
// at one address: the span of one began in 1970, that of the other lately.
func testFresh(t *testing.T, r *rig) {
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	address := "http://" + front.Listener.Addr().String()
	var behind atomic.Pointer[httputil.ReverseProxy]
	show := func(s *assayd.Server) {
		t.Helper()
		to, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		behind.Store(httputil.NewSingleHostReverseProxy(to))
	}
	show(r.serve(t, "--public-url", address, "--fresh", "876000h"))
	later := r.serve(t, "--public-url", address, "--fresh", "1h")
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { behind.Load().ServeHTTP(w, q) })
	front.Start()

	type build struct {
		builder
		job
		cached string // what the builder says of a step that it does not run again
		stale  bool   // the builder's cache does not look at what a step mounts
	}
	var builds []build
	lines := replaced(t, r.classic(t), r.service.URL, address)
	bound := replaced(t, newPatterns(t, r).text(t, "bind.Dockerfile"), r.service.URL, address)
	argument := job{dockerfile: lines, args: map[string]string{"token": r.token}}.patched()
	secret := job{dockerfile: bound, secret: r.secret}.patched()
	for _, b := range r.builders {
		switch b := b.(type) {
		case classic:
			builds = append(builds, build{b, argument, "\n ---> Using cache\n", false})
		case buildah: // has no cache by default, and with --layers the same as podman
		case podman:
			const cached = "\n--> Using cache "
			builds = append(builds, build{b.caching(), argument, cached, false}, build{b.caching(), secret, cached, true})
		default:
			builds = append(builds, build{b, argument, " CACHED\n", false}, build{b, secret, " CACHED\n", false})
		}
	}
	scans := func(log string) bool { return strings.Contains(log, "assay: verdict=pass") }

	for _, b := range builds {
		if log := mustBuild(t, b.builder, b.job); !scans(log) {
			t.Errorf("%s: the first build does not scan:\n%s", b.name(), log)
		}
		if log := mustBuild(t, b.builder, b.job); scans(log) || !strings.Contains(log, b.cached) {
			t.Errorf("%s: the second build is not cached:\n%s", b.name(), log)
		}
	}
	show(later)
	for _, b := range builds {
		if log := mustBuild(t, b.builder, b.job); scans(log) == b.stale {
			t.Errorf("%s: after the client has changed, a scan is %v:\n%s", b.name(), scans(log), log)
		}
	}
}
