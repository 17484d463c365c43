package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"assay/check/testkit"
	"assay/service/layer"
)

// layoutFiles returns the files of an OCI layout with images under names.
func layoutFiles(t testing.TB, images map[string]*made) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	var manifests []object
	for name, m := range images {
		d := m.descriptor("")
		d["annotations"] = object{refName: name}
		manifests = append(manifests, d)
		for digest, b := range m.blobs {
			files["blobs/"+strings.Replace(digest, ":", "/", 1)] = b
		}
	}
	files["index.json"] = encode(t, object{"schemaVersion": 2, "manifests": manifests})
	return files
}

// dockerFiles returns the files of an archive of docker save.
func dockerFiles(t testing.TB, images map[string]*made) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	var list []object
	for name, m := range images {
		var manifest struct {
			Config struct{ Digest string }
		}
		if err := decode(m.blobs[m.manifest], &manifest, "manifest"); err != nil {
			t.Fatal(err)
		}
		config := strings.TrimPrefix(manifest.Config.Digest, "sha256:") + ".json"
		files[config] = m.blobs[manifest.Config.Digest]
		var layers []string
		for i, d := range m.layers {
			path := fmt.Sprintf("%s-%d/layer.tar", name, i)
			files[path] = m.blobs[d]
			layers = append(layers, path)
		}
		list = append(list, object{"Config": config, "RepoTags": []string{name}, "Layers": layers})
	}
	files["manifest.json"] = encode(t, list)
	return files
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestArchives(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a", "b")
	layout, docker := layoutFiles(t, map[string]*made{"1.0": m}), dockerFiles(t, map[string]*made{"shop:1": m})
	folder := t.TempDir()
	for name, b := range layout {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	both := maps.Clone(layout)
	maps.Copy(both, docker)
	for name, tt := range map[string]struct {
		path, name, digest string
	}{
		"layout":       {write(t, "x.tar", tarOf(t, layout)), "1.0", m.manifest},
		"layout.gz":    {write(t, "x.tar.gz", gzipped(t, tarOf(t, layout))), "1.0", m.manifest},
		"folder":       {folder, "1.0", m.manifest},
		"docker":       {write(t, "x.tar", tarOf(t, docker)), "shop:1", ""},
		"docker.gz":    {write(t, "x", gzipped(t, tarOf(t, docker))), "shop:1", ""},
		"docker.zst":   {write(t, "x", zstded(t, tarOf(t, docker))), "shop:1", ""},
		"docker of 25": {write(t, "x.tar", tarOf(t, both)), "shop:1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			img, done, err := Archive{Path: tt.path, Dir: dir, MaxBytes: 1 << 20}.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if img.Name != tt.name || img.Digest != tt.digest || img.Platform != "linux/amd64" || len(img.Layers) != 2 {
				t.Errorf("%+v", img)
			}
			if l := img.Layers[1]; l.DiffID != m.diffIDs[1] || l.CreatedBy != "RUN make b" {
				t.Errorf("layer %+v", l)
			}
			for range 2 {
				if got := readLayers(t, img); fmt.Sprint(got) != fmt.Sprint(m.layers) {
					t.Errorf("layers %v, want %v", got, m.layers)
				}
			}
			if err := done(); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
}

// TestSeveralImages: one of several images must be chosen, by name or digest.
func TestSeveralImages(t *testing.T) {
	one, two := makeImage(t, "linux/amd64", "a"), makeImage(t, "linux/arm64", "b")
	images := map[string]*made{"shop:1": one, "docker.io/library/web:2": two}
	for name, files := range map[string]map[string][]byte{"docker": dockerFiles(t, images), "layout": layoutFiles(t, images)} {
		path := write(t, "x.tar", tarOf(t, files))
		for choice, want := range map[string]string{"shop:1": one.layers[0], "web:2": two.layers[0], "docker.io/library/web:2": two.layers[0]} {
			img, done, err := Archive{Path: path, Image: choice}.Open(t.Context())
			if err != nil {
				t.Errorf("%s %s: %v", name, choice, err)
				continue
			}
			if got := readLayers(t, img)[0]; got != want || img.Name != choice {
				t.Errorf("%s %s: %q with layer %s, want %s", name, choice, img.Name, got, want)
			}
			if err := done(); err != nil {
				t.Error(err)
			}
		}
		for choice, kind := range map[string]Kind{"": Ambiguous, "shop:3": NotFound} {
			_, _, err := Archive{Path: path, Image: choice}.Open(t.Context())
			if err == nil || kindOfError(t, err) != kind || !strings.Contains(err.Error(), "shop:1") || !strings.Contains(err.Error(), "web:2") {
				t.Errorf("%s %q: %v", name, choice, err)
			}
		}
	}
	// Images of one name for several platforms are one image.
	files := layoutFiles(t, map[string]*made{"1": one})
	maps.Copy(files, layoutFiles(t, map[string]*made{"1": two}))
	files["index.json"] = encode(t, object{"schemaVersion": 2, "manifests": []object{one.descriptor("linux/amd64"), two.descriptor("linux/arm64")}})
	path := write(t, "x.tar", tarOf(t, files))
	for platform, want := range map[string]string{"": one.layers[0], "linux/arm64": two.layers[0]} {
		img, _, err := Archive{Path: path, Platform: platform}.Open(t.Context())
		if err != nil || readLayers(t, img)[0] != want {
			t.Errorf("%q: %+v, %v", platform, img, err)
		}
	}
}

// TestPlatformsUnderOneName: only the manifests with the name that was asked for count, whatever
// else is in the layout, and two for one platform are several images.
func TestPlatformsUnderOneName(t *testing.T) {
	amd, arm, other := makeImage(t, "linux/amd64", "a"), makeImage(t, "linux/arm64", "b"), makeImage(t, "linux/amd64", "c")
	files := map[string][]byte{}
	for _, m := range []*made{amd, arm, other} {
		maps.Copy(files, layoutFiles(t, map[string]*made{"x": m}))
	}
	named := func(m *made, name, platform string) object {
		d := m.descriptor(platform)
		d["annotations"] = object{refName: name}
		return d
	}
	layout := func(manifests ...object) string {
		files["index.json"] = encode(t, object{"schemaVersion": 2, "manifests": manifests})
		return write(t, "x.tar", tarOf(t, files))
	}
	path := layout(named(other, "other:1", "linux/amd64"), named(amd, "shop:1", "linux/amd64"), named(arm, "shop:1", "linux/arm64"))
	for platform, want := range map[string]string{"": amd.layers[0], "linux/arm64": arm.layers[0]} {
		img, _, err := Archive{Path: path, Image: "shop:1", Platform: platform}.Open(t.Context())
		if err != nil || readLayers(t, img)[0] != want {
			t.Errorf("%q: %+v, %v, want layer %s", platform, img, err, want)
		}
	}
	path = layout(amd.descriptor("linux/amd64"), other.descriptor("linux/amd64"))
	if _, _, err := (Archive{Path: path}).Open(t.Context()); err == nil || kindOfError(t, err) != Ambiguous {
		t.Errorf("two images for one platform: %v", err)
	}
}

func TestBadArchives(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	good := dockerFiles(t, map[string]*made{"shop:1": m})
	var config string
	for name := range good {
		if strings.HasSuffix(name, ".json") && name != "manifest.json" {
			config = name
		}
	}
	change := func(files map[string][]byte, name, content string) []byte {
		files = maps.Clone(files)
		if files[name] = []byte(content); content == "" {
			delete(files, name)
		}
		return tarOf(t, files)
	}
	layout := layoutFiles(t, map[string]*made{"1": m})
	blob := "blobs/" + strings.Replace(m.manifest, ":", "/", 1)
	whole := tarOf(t, good)
	for name, tt := range map[string]struct {
		content []byte
		says    string
	}{
		"empty":              {nil, "not an archive of an image"},
		"text":               {[]byte(strings.Repeat("hello", 1000)), "not a tar archive"},
		"of something else":  {tarOf(t, map[string][]byte{"etc/passwd": []byte("x")}), "not an archive of an image"},
		"no configuration":   {change(good, config, ""), "lacks"},
		"other config":       {change(good, config, "{}"), "has the digest"},
		"no images":          {change(good, "manifest.json", "[]"), "holds no image"},
		"manifest":           {change(good, "manifest.json", "{"), "parse the manifest.json"},
		"cut":                {whole[:len(whole)/2], ""},
		"gzip cut":           {gzipped(t, whole)[:100], "decompress"},
		"gzip":               {[]byte{0x1f, 0x8b, 0, 0}, "decompress"},
		"zstd":               {[]byte{0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3}, "decompress"},
		"bomb":               {gzipped(t, make([]byte, 2<<20)), "more than 1 MiB without compression"},
		"no manifest":        {change(layout, blob, ""), "lacks"},
		"other manifest":     {change(layout, blob, "{}"), "has the digest"},
		"index":              {change(layout, "index.json", `{"manifests":[]}`), "holds no image"},
		"large index":        {change(layout, "index.json", `{"x":"`+strings.Repeat("x", maxManifest)+`"}`), "larger than"},
		"config outside":     {change(good, "manifest.json", `[{"Config":"../../etc/passwd","Layers":[]}]`), "lacks"},
		"a layer is missing": {change(good, "shop:1-0/layer.tar", ""), "lacks"},
	} {
		img, done, err := Archive{Path: write(t, "x.tar", tt.content), Dir: t.TempDir(), MaxBytes: 1 << 20}.Open(t.Context())
		if err == nil {
			_, err = img.Layers[0].Open(t.Context())
			if cerr := done(); cerr != nil {
				t.Error(cerr)
			}
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
			continue
		}
		kindOfError(t, err)
	}
	if _, _, err := (Archive{Path: write(t, "x", gzipped(t, whole))}).Open(t.Context()); err == nil || kindOfError(t, err) != Unsupported {
		t.Errorf("compressed without a folder: %v", err)
	}
	if _, _, err := (Archive{Path: filepath.Join(t.TempDir(), "none")}).Open(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := (Archive{Path: write(t, "x", gzipped(t, whole)), Dir: t.TempDir(), MaxBytes: 1 << 20}).Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFolderStaysInside: links in a folder do not lead out of it.
func TestFolderStaysInside(t *testing.T) {
	secret := write(t, "secret", []byte(`{"schemaVersion":2,"manifests":[]}`))
	dir := t.TempDir()
	if err := os.Symlink(secret, filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (Archive{Path: dir}).Open(t.Context()); err == nil || strings.Contains(err.Error(), "holds no image") {
		t.Errorf("%v", err)
	}
	fifo := t.TempDir()
	if out, err := exec.Command("mkfifo", filepath.Join(fifo, "index.json")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, _, err := (Archive{Path: fifo}).Open(t.Context()); err == nil {
		t.Error("a FIFO was read")
	}
}

// TestLinksInArchives: docker up to version 24 writes links for layers that are there twice.
func TestLinksInArchives(t *testing.T) {
	m := makeImage(t, "linux/amd64", "a")
	files := dockerFiles(t, map[string]*made{"shop:1": m})
	content := files["shop:1-0/layer.tar"]
	delete(files, "shop:1-0/layer.tar")
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "real/layer.tar", Size: int64(len(content)), Mode: 0o644},
		{Name: "shop:1-0/layer.tar", Typeflag: tar.TypeSymlink, Linkname: "../real/layer.tar"},
		{Name: "loop", Typeflag: tar.TypeSymlink, Linkname: "loop"},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	b.Write(tarOf(t, files))
	img, done, err := Archive{Path: write(t, "x.tar", b.Bytes())}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := readLayers(t, img); got[0] != m.layers[0] {
		t.Error(got)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
	f, err := Archive{Path: write(t, "y.tar", b.Bytes())}.tar(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.open("loop"); err == nil {
		t.Error("a loop of links was opened")
	}
}

// TestSkopeo: the archives that skopeo writes from one image give its layers.
func TestSkopeo(t *testing.T) {
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		testkit.Missing(t, "skopeo")
	}
	m := makeImage(t, "linux/amd64", "a", "b")
	from := t.TempDir()
	for name, b := range layoutFiles(t, map[string]*made{"1": m}) {
		path := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	for _, form := range []string{"oci", "oci-archive", "docker-archive"} {
		path := filepath.Join(to, form)
		target := form + ":" + path + ":shop:1"
		if form == "oci" {
			target = form + ":" + path + ":1"
		}
		if out, err := exec.Command(skopeo, "--insecure-policy", "copy", "oci:"+from+":1", target).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		img, done, err := Archive{Path: path, Dir: to, MaxBytes: 1 << 20}.Open(t.Context())
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		if len(img.Layers) != 2 || img.Layers[0].DiffID != m.diffIDs[0] || img.Layers[1].CreatedBy != "RUN make b" {
			t.Errorf("%s: %+v", form, img)
		}
		if form == "docker-archive" {
			if got := readLayers(t, img); fmt.Sprint(got) != fmt.Sprint(m.diffIDs) {
				t.Errorf("%s: layers %v", form, got)
			}
		} else if got := digestsOf(img); fmt.Sprint(readLayers(t, img)) != fmt.Sprint(got) {
			t.Errorf("%s: layers %v", form, got)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
}

func digestsOf(img layer.Image) []string {
	var all []string
	for _, l := range img.Layers {
		all = append(all, l.Digest)
	}
	return all
}

func TestAccounts(t *testing.T) {
	dir := testkit.Tree(t, map[string]string{"password": "hunter2\n", "token": "abc", "empty": "\n"})
	file := strings.ReplaceAll(`projects:
  shop:
    registry.example.com:
      username: ci
      password-file: DIR/password
    docker.io: {token-file: DIR/token}
    broken.example.com: {token-file: DIR/none}
    empty.example.com: {token-file: DIR/empty}
  "*":
    Shared.example.com:5000: {token-file: DIR/token}
`, "DIR", dir)
	a, err := ReadAccounts(write(t, "registries.yaml", []byte(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		project, registry string
		want              *Credentials
		fails             bool
	}{
		{"shop", "registry.example.com", &Credentials{Username: "ci", Password: "hunter2"}, false},
		{"shop", "index.docker.io", &Credentials{RegistryToken: "abc"}, false},
		{"shop", "shared.example.com:5000", &Credentials{RegistryToken: "abc"}, false},
		{"shop", "shared.example.com", nil, false},
		{"shop", "registry.example.com:5000", nil, false},
		{"other", "registry.example.com", nil, false},
		{"", "registry.example.com", nil, false},
		{"", "shared.example.com:5000", &Credentials{RegistryToken: "abc"}, false},
		{"*", "shared.example.com:5000", &Credentials{RegistryToken: "abc"}, false},
		{"shop", "broken.example.com", nil, true},
		{"shop", "empty.example.com", nil, true},
	} {
		got, err := a.Lookup(t.Context(), tt.project, tt.registry)
		if (err != nil) != tt.fails || (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s %s: %v", tt.project, tt.registry, err)
		}
	}
	for _, bad := range []string{
		"projects: {a: {h: {username: x}}}", "projects: {a: {h: {password-file: x}}}", "projects: {a: {h: {username: u, password-file: x, token-file: y}}}",
		"projects: {a: {h: {password: hunter2}}}", "project: {}", "projects: {a: {https://h/x/y@z: {}}}", "[]", "projects: {}\n---\nprojects: {}",
		"projects: {a: {docker.io: {token-file: x}, index.docker.io: {token-file: y}}}",
	} {
		if _, err := ReadAccounts(write(t, "x.yaml", []byte(bad))); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzArchive: no archive of a hostile image leads to a panic, or to a file outside of it.
func FuzzArchive(f *testing.F) {
	m := makeImage(f, "linux/amd64", "a")
	for _, files := range []map[string][]byte{dockerFiles(f, map[string]*made{"shop:1": m}), layoutFiles(f, map[string]*made{"1": m})} {
		f.Add(tarOf(f, files))
		f.Add(gzipped(f, tarOf(f, files)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := write(t, "x", b)
		img, done, err := Archive{Path: path, Dir: filepath.Dir(path), MaxBytes: 1 << 20}.Open(t.Context())
		if err != nil {
			return
		}
		for _, l := range img.Layers {
			if r, err := l.Open(t.Context()); err == nil {
				_, _ = io.Copy(io.Discard, r)
				r.Close()
			}
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	})
}

// FuzzManifest: no manifest, index or configuration leads to a panic.
func FuzzManifest(f *testing.F) {
	m := makeImage(f, "linux/amd64", "a")
	for _, b := range m.blobs {
		f.Add(b, b, typeManifest)
	}
	f.Add(encode(f, object{"schemaVersion": 2, "manifests": []object{m.descriptor("linux/amd64")}}), []byte("{}"), typeIndex)
	f.Fuzz(func(t *testing.T, manifest, config []byte, mediaType string) {
		want, err := parsePlatform("")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = kindOf(manifest, "")
		_, _ = choose(manifest, want)
		img, layers, err := imageOf(manifest, config, want, true)
		if err == nil && (len(img.Layers) != len(layers) || len(layers) > maxLayers) {
			t.Errorf("%d and %d layers", len(img.Layers), len(layers))
		}
		_, _ = parsePlatform(mediaType)
	})
}
