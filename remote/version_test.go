package remote_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestServiceOfAnotherVersion(t *testing.T) {
	for _, tt := range []struct {
		client, service string
		next            string // "": nothing is said
	}{
		{"0.3.1", "0.3.9", ""},
		{"v0.3.1", "0.3.1", ""},
		{"0.3.1", "", ""},
		{"devel", "0.3.1", ""},
		{"0.3.1", "3d4ef08-dirty", ""},
		{"0.3", "0.4.0", ""},
		{"0.3.1", "0.4.0-rc1", "download assay from the service again"},
		{"0.3.1", "1.0.0", "download assay from the service again"},
		{"0.4.0", "0.3.9", "update the service"},
		{"1.0.0", "v0.9.2", "update the service"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if tt.service != "" {
				w.Header().Set("Assay-Version", tt.service)
			}
			ok(w)
		})
		var notices []string
		c.Version = tt.client
		c.Notice = func(line string) { notices = append(notices, line) }
		if _, _, err := send(t, c); err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(notices, func(n string) bool {
			return strings.Contains(n, tt.client) && strings.Contains(n, tt.next)
		})
		if want := tt.next != ""; said != want || len(notices) > 1 {
			t.Errorf("client %q, service %q: notices %q", tt.client, tt.service, notices)
		}
	}
}
