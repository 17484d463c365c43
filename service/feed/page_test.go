package feed_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"assay/service/feed"
)

// A web page in the place of a file is an error that says so. The list of a folder is a page,
// and in a folder it is index.html.
func TestPage(t *testing.T) {
	const page = "\n<!DOCTYPE HTML><html>Sign in</html>"
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": page, "data.json": page, "old.xml": "<HTML>x", "updateinfo.xml": "<?xml version=\"1.0\"?><updates/>", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, _ := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Write([]byte(page))
			return
		}
		http.ServeFile(w, r, filepath.Join(dir, filepath.Base(r.URL.Path)))
	})
	for where, m := range map[string]feed.Mirror{"folder": place(t, dir, quick()), "server": place(t, address, quick())} {
		for name, refused := range map[string]bool{"": false, "data.json": true, "old.xml": true, "updateinfo.xml": false, "empty": false} {
			_, _, err := m.Get(t.Context(), name, limit, feed.Version{})
			if errors.Is(err, feed.ErrPage) != refused || !refused && err != nil {
				t.Errorf("get %q from the %s: %v", name, where, err)
			}
			path := filepath.Join(t.TempDir(), "f")
			v, err := m.Save(t.Context(), name, path, limit, feed.Version{})
			if errors.Is(err, feed.ErrPage) != refused || !refused && err != nil {
				t.Errorf("save %q from the %s: %v", name, where, err)
			}
			if _, err := os.Stat(path); (err == nil) == refused || refused && v != (feed.Version{}) {
				t.Errorf("save %q from the %s: %v, version %v", name, where, err, v)
			}
		}
	}
}
