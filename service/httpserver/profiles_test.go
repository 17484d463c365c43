package httpserver

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestServeProfiles(t *testing.T) {
	var told bytes.Buffer
	stop, err := ServeProfiles(slog.New(slog.NewTextHandler(&told, nil)), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := regexp.MustCompile(`listen=(\S+)`).FindStringSubmatch(told.String())
	if addr == nil {
		t.Fatalf("no address in %q", told.String())
	}
	resp, err := http.Get("http://" + addr[1] + "/debug/pprof/heap?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	profile, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.HasPrefix(profile, []byte("heap profile:")) {
		t.Errorf("%s, %v:\n%.200s", resp.Status, err, profile)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + addr[1] + "/debug/pprof/"); err == nil {
		t.Error("it serves after stop")
	}
}

// The profiles show the memory of the service, and are served only to its own machine.
func TestServeProfilesElsewhere(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "nowhere"} {
		_, err := ServeProfiles(slog.New(slog.DiscardHandler), addr)
		if err == nil || !strings.Contains(err.Error(), "listen") {
			t.Errorf("%q: error %v", addr, err)
		}
	}
}
