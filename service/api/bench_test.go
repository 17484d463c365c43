package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory/load"
	"assay/service/api"
	"assay/service/httpserver"
	"assay/service/snapshot"
	"assay/service/store"
)

// BenchmarkScan measures one scan in the service, without the network: a genuine tree with
// all records of Debian. The minimal tree has a few findings. The other has thousands, most
// of them in the kernel.
func BenchmarkScan(b *testing.B) {
	r := newRig(b, nil)
	src := load.Open(testkit.Path(b, "osv", "Debian", "all.zip"))
	if _, err := r.store.Import(b.Context(), store.Import{Origin: store.Origin{Source: "debian"}, At: now, Whole: true}, src.Records()); err != nil {
		b.Fatal(err)
	}
	index, err := snapshot.Open(filepath.Join(b.TempDir(), "snapshot.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer index.Close()
	if _, err := index.CatchUp(b.Context(), r.store); err != nil {
		b.Fatal(err)
	}
	handler := handler(config{API: api.Config{
		Store:     r.store,
		View:      func() (api.View, error) { return index.View() },
		PublicURL: "https://assay.example.com",
		Now:       func() time.Time { return now },
		Log:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, Server: httpserver.Config{Tokens: r.store}})
	secret := r.token(store.Token{Name: "bench"})
	for _, tree := range []string{"debian12-minbase", "debian12-app"} {
		body := treeDocument(b, tree)
		b.Run(tree, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest("POST", "/api/v1/scans", bytes.NewReader(body))
				req.Header.Set("Authorization", "Bearer "+secret)
				req.Header.Set("Content-Encoding", "gzip")
				rec := httptest.NewRecorder()
				handler.ServeHTTP(rec, req)
				if rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
		})
	}
}

// treeDocument is the request for a tree of the test data, as a client sends it.
func treeDocument(b *testing.B, tree string) []byte {
	b.Helper()
	list, err := os.ReadFile(testkit.Path(b, "pkgdb", "dpkg", tree, "expected.json"))
	if err != nil {
		b.Fatal(err)
	}
	var rows []struct {
		Name, Version, Arch, Source string
		SourceVersion               string `json:"source_version"`
	}
	if err := json.Unmarshal(list, &rows); err != nil {
		b.Fatal(err)
	}
	s := cyclonedx.Scan{Inventory: inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}}}
	for _, r := range rows {
		s.Inventory.Packages = append(s.Inventory.Packages, inventory.Package{
			Type: "deb", Name: r.Name, Version: r.Version, Arch: r.Arch, Source: r.Source, SourceVersion: r.SourceVersion,
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
		})
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if err := cyclonedx.Encode(z, s); err != nil {
		b.Fatal(err)
	}
	if err := z.Close(); err != nil {
		b.Fatal(err)
	}
	return body.Bytes()
}
