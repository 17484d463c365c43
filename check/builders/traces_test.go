package builders

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// withSecret are the patterns with a secret that differ in how they take it.
var withSecret = []string{"bind.Dockerfile", "secret-file.Dockerfile", "secret-env.Dockerfile", "non-root.Dockerfile", "report.Dockerfile"}

// testTraces looks for the token in everything that a build produces. A secret must be
// nowhere. A build argument must be where docs/builders.md says, in the table under the
// heading "Where a build argument stays".
func testTraces(t *testing.T, r *rig) {
	p := newPatterns(t, r)
	text := r.read(t, "docs", "builders.md")
	builds, err := parseMatrix(text)
	if err != nil {
		t.Fatalf("docs/builders.md: %v", err)
	}
	_, table, found := strings.Cut(text, "\n## Where a build argument stays\n")
	if !found {
		t.Fatal("docs/builders.md does not say where a build argument stays")
	}
	want, err := parseMatrix(table)
	if err != nil {
		t.Fatalf("docs/builders.md: %v", err)
	}
	files := withSecret
	if !r.thorough {
		files = files[:1]
	}
	for _, b := range r.differing() {
		t.Run(b.name(), func(t *testing.T) {
			for _, file := range files {
				t.Run(file, func(t *testing.T) {
					text := p.text(t, file)
					failed := b.build(t, p.job(text))
					if exit, words := b.failed(4); failed.code != exit || !strings.Contains(failed.log, words) {
						// What the builder cannot do, the table of the patterns says.
						if cell := builds.cells[[2]string{file, b.name()}]; builds.reason(failed.log) != cell {
							t.Errorf("not built, and docs/builders.md says %q\n%s", cell, last(failed.log, 10))
						}
						return
					}
					j := p.job(text).patched()
					j.tag, j.noCache = "traces", true
					log := mustBuild(t, b, j)
					if places := r.traces(failed.log+log, b.image(t, j.tag)); len(places) > 0 {
						t.Errorf("the token is in %s", places)
					}
				})
			}
			for _, row := range want.rows {
				t.Run(row, func(t *testing.T) {
					j := p.job(p.text(t, row)).patched()
					j.tag, j.noCache = "traces", true
					log := mustBuild(t, b, j)
					got := strings.Join(r.traces(log, b.image(t, j.tag)), ", ")
					if got == "" {
						got = "nowhere"
					}
					if documented := want.cells[[2]string{row, b.name()}]; got != documented {
						t.Errorf("the token is in %q, but docs/builders.md says %q", got, documented)
					}
				})
			}
		})
	}
	t.Run("assayd", func(t *testing.T) {
		if strings.Contains(r.service.Log(), r.token) {
			t.Error("the token is in the log of assayd")
		}
		kept := 0
		err := filepath.WalkDir(r.data, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(r.token)) {
				t.Errorf("the token is in %s", path)
			}
			kept += len(b)
			return err
		})
		if err != nil || kept == 0 {
			t.Errorf("read what assayd keeps: %d bytes, %v", kept, err)
		}
	})
}

// traces names the kinds of places in a build's log and in an image that contain the
// token.
func (r *rig) traces(log string, image map[string][]byte) []string {
	places := map[string]bool{}
	token := []byte(r.token)
	if strings.Contains(log, r.token) {
		places["log"] = true
	}
	for _, b := range image {
		switch {
		case !bytes.Contains(b, token):
		case bytes.Contains(b, []byte("slsa.dev/provenance")):
			places["provenance"] = true
		case !bytes.HasPrefix(b, []byte("{")):
			places["layers"] = true
		default:
			rest := createdBy.ReplaceAll(b, nil)
			places["configuration"] = places["configuration"] || bytes.Contains(rest, token)
			places["history"] = places["history"] || bytes.Count(rest, token) < bytes.Count(b, token)
		}
	}
	maps.DeleteFunc(places, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(places))
}

// createdBy matches a line of the history in an image's configuration, which could contain
// a build argument.
var createdBy = regexp.MustCompile(`"created_by":"(?:[^"\\]|\\.)*"`)

// testResidue compares the image of the bind pattern with the one that the same
// lines make without the scan.
func testResidue(t *testing.T, r *rig) {
	p := newPatterns(t, r)
	for _, b := range r.differing()[1:] { // the classic one has no mounts
		t.Run(b.name(), func(t *testing.T) {
			with := p.job(p.text(t, "bind.Dockerfile")).patched()
			with.tag, with.noCache = "with", true
			log := mustBuild(t, b, with)
			if !strings.Contains(log, "assay: verdict=pass") {
				t.Fatalf("no scan in the log:\n%s", log)
			}
			without := with
			without.tag = "without"
			scan := strings.LastIndex(with.dockerfile, "\nRUN --mount")
			without.dockerfile = with.dockerfile[:scan+1]
			mustBuild(t, b, without)

			more := names(t, b.image(t, with.tag))
			less := names(t, b.image(t, without.tag))
			if len(less) < 1000 {
				t.Fatalf("only %d files in the image", len(less))
			}
			var folders []string
			for name, kind := range more {
				if _, ok := less[name]; ok {
					continue
				}
				if kind != tar.TypeDir {
					t.Errorf("left in the image: %q", name)
				}
				folders = append(folders, name)
			}
			for name := range less {
				if _, ok := more[name]; !ok {
					t.Errorf("gone from the image: %q", name)
				}
			}
			slices.Sort(folders)
			t.Logf("%d names, empty folders more: %q", len(more), folders)
		})
	}
}

// names returns the names in all layers of an image, with their types.
func names(t *testing.T, image map[string][]byte) map[string]byte {
	t.Helper()
	all := map[string]byte{}
	for _, layer := range layers(t, image) {
		for _, h := range layer {
			all[filepath.Clean("/"+h.Name)] = h.Typeflag
		}
	}
	return all
}
