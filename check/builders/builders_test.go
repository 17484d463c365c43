package builders

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/verdict"
)

// TestBuilders runs the lines of Dockerfile.example, and what stands in for
// them where an image is unusual, in each builder of one engine.
func TestBuilders(t *testing.T) {
	r := newRig(t)
	want := expected(t, filepath.Join(r.root, "var/lib/dpkg"), r.records)
	if len(want) == 0 {
		t.Fatal("the root has no finding: nothing would be shown")
	}
	t.Logf("dpkg expects %d findings", len(want))
	argument := "token=" + r.token

	classic, buildkit := r.builders()
	for _, b := range []builder{classic, buildkit} {
		t.Run(b.name, func(t *testing.T) {
			t.Run("vulnerable", func(t *testing.T) {
				log, code := b.build(t, r.classic(t), "--build-arg", argument)
				b.wantFindings(t, log, code)
				sameFindings(t, r.verdict(t, log), want)
			})
			t.Run("mended", func(t *testing.T) {
				image := "mended-" + b.name
				log, code := b.build(t, r.mended(t), "--build-arg", argument, "-t", image)
				if code != 0 {
					t.Fatalf("exit code %d\n%s", code, last(log, 30))
				}
				v := r.verdict(t, log)
				if v.Decision.Outcome != verdict.Pass || v.Counts.Failing != 0 {
					t.Errorf("outcome %s, %d failing", v.Decision.Outcome, v.Counts.Failing)
				}
				sameFindings(t, v, expected(t, r.admindir(t, image), r.records))
				// What Dockerfile.example says against a build argument, and the
				// proof that traces finds a token.
				if len(r.traces(t, image)) == 0 {
					t.Error("no trace of the build argument in the image: the search does not work")
				}
			})
			t.Run("non-root user", func(t *testing.T) {
				form := replaced(t, r.classic(t), "ARG token", "USER nobody\nARG token")
				log, code := b.build(t, form, "--build-arg", argument)
				b.wantFindings(t, log, code)
				sameFindings(t, r.verdict(t, log), want)
			})
			t.Run("scratch", func(t *testing.T) {
				log, code := b.build(t, fmt.Sprintf(`FROM %s AS assay
ADD %s/assay /
RUN chmod +x /assay
FROM scratch
COPY --from=assay /assay /
ARG ASSAY_TOKEN
RUN ["/assay"]
`, base, r.service.URL), "--build-arg", "ASSAY_TOKEN="+r.token)
				b.wantFailed(t, log, code, 5)
				v := r.verdict(t, log)
				if v.Decision.Outcome != verdict.Untrusted || v.Decision.Reasons[0].Rule != "nothing-recognised" {
					t.Errorf("decision %+v", v.Decision)
				}
				if tail := b.stepTail(log); !strings.Contains(tail, v.Decision.Reasons[0].Text) {
					t.Errorf("the reason %q is not in the last lines:\n%s", v.Decision.Reasons[0].Text, tail)
				}
			})
		})
	}

	t.Run("secret", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(r.token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		secret := "id=assay_token,src=" + file
		form := r.secret(t)

		failed, code := buildkit.build(t, form, "--secret", secret)
		buildkit.wantFindings(t, failed, code)
		sameFindings(t, r.verdict(t, failed), want)

		passed, code := buildkit.build(t, r.mendedSecret(t), "--secret", secret, "-t", "secret")
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, last(passed, 30))
		}
		r.noTrace(t, failed+passed, "secret")
		if left := r.residue(t, "secret"); len(left) > 0 {
			t.Errorf("left in the image: %q", left)
		}
	})
	t.Run("read-only root", func(t *testing.T) {
		log, code := r.run(t, nil, "run", "--rm", "--read-only", "--network", "host",
			"-v", r.client(t)+":/assay:ro", base, "/assay", r.token)
		if code != 4 {
			t.Fatalf("exit code %d\n%s", code, log)
		}
		sameFindings(t, r.verdict(t, log), want)
	})
	t.Run("no proc", func(t *testing.T) {
		script := `mount --bind "$1" "$2/mnt" && [ ! -e "$2/proc/self" ] && exec chroot "$2" /mnt/assay "$3"`
		log, code := run(t, os.Environ(), nil, "unshare", "--mount", "sh", "-c", script, "sh",
			filepath.Dir(r.client(t)), r.root, r.token)
		if code != 4 {
			t.Fatalf("exit code %d\n%s", code, log)
		}
		sameFindings(t, r.verdict(t, log), want)
	})
}

// wantFindings checks that a build failed for its findings: the builder says
// code 4, and what it shows last of the step says why and what to do.
func (b builder) wantFindings(t *testing.T, log string, exit int) {
	t.Helper()
	b.wantFailed(t, log, exit, 4)
	tail := b.stepTail(log)
	for _, want := range []string{"\nassay: verdict=fail code=4 ", "\nfix: ", "\nassay: FAIL, exit code 4"} {
		if !strings.Contains(tail, want) {
			t.Errorf("%q is not in the last ten lines of the step:\n%s", want, tail)
		}
	}
	t.Logf("the last ten lines:\n%s", tail)
}

var buildkitLine = regexp.MustCompile(`(?m)^#\d+ \d+\.\d+ (.*)$`)

// stepTail returns the last ten lines that the last step printed.
func (b builder) stepTail(log string) string {
	if b.buildkit == "0" {
		out, _, _ := strings.Cut(log, "\nThe command '")
		return last(out, 10)
	}
	var out strings.Builder
	for _, m := range buildkitLine.FindAllStringSubmatch(log, -1) {
		out.WriteString(m[1] + "\n")
	}
	return last(out.String(), 10)
}

// admindir takes the package database out of an image.
func (r *rig) admindir(t *testing.T, image string) string {
	t.Helper()
	id := strings.TrimSpace(r.must(t, nil, "create", image, "true"))
	defer r.must(t, nil, "rm", id)
	dir := t.TempDir()
	r.must(t, nil, "cp", id+":/var/lib/dpkg", dir)
	return filepath.Join(dir, "dpkg")
}

// noTrace checks that the token is nowhere that a build with a secret leads to:
// its log, the image, what assayd logged and what it keeps.
func (r *rig) noTrace(t *testing.T, log, image string) {
	t.Helper()
	if strings.Contains(log, r.token) {
		t.Error("the token is in the build's log")
	}
	for _, place := range r.traces(t, image) {
		t.Errorf("the token is in %s", place)
	}
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
}

// traces names the places of an image where the token stands: its history, its
// configuration, its layers.
func (r *rig) traces(t *testing.T, image string) []string {
	t.Helper()
	var places []string
	if strings.Contains(r.must(t, nil, "history", "--no-trunc", image), r.token) {
		places = append(places, "the history")
	}
	for name, b := range r.saved(t, image) {
		if bytes.Contains(b, []byte(r.token)) {
			places = append(places, name)
		}
	}
	return places
}

// residue names what the last step left in an image. Empty folders are the
// engine's: it makes one for each mount.
func (r *rig) residue(t *testing.T, image string) []string {
	t.Helper()
	files := r.saved(t, image)
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	layers := manifest[0].Layers
	var names []string
	for layer := tar.NewReader(bytes.NewReader(files[layers[len(layers)-1]])); ; {
		h, err := layer.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeDir {
			names = append(names, h.Name)
		}
	}
}

// saved returns the files of an image as the engine writes them out, layers as
// plain tar.
func (r *rig) saved(t *testing.T, image string) map[string][]byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	r.must(t, nil, "save", "-o", path, image)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			if b, err = io.ReadAll(unpacked); err != nil {
				t.Fatal(err)
			}
		}
		files[h.Name] = b
	}
}
