package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/check/testkit/imagetest"
	"assay/verdict"
)

// An image that a real engine has built and pushed to a real registry with passwords has the
// verdict of assay on the filesystem of its container: by assayd scan and over the network,
// from the registry and from docker's and skopeo's archives. What cannot be fetched is an
// error that says why.
func TestFinishedImages(t *testing.T) {
	engine := imagetest.Start(t)
	registry, storage := startPrivateRegistry(t, "ci", "hunter2hunter2")
	auth := map[string]any{"auths": map[string]any{registry: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("ci:hunter2hunter2"))}}}
	home := testkit.Tree(t, map[string]string{"config.json": jsonText(t, auth), "password": "hunter2hunter2\n"})
	registries := filepath.Join(home, "registries.yaml")
	if err := os.WriteFile(registries, fmt.Appendf(nil, "projects: {shop: {%q: {username: ci, password-file: %q}}}\n", registry, filepath.Join(home, "password")), 0o600); err != nil {
		t.Fatal(err)
	}
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: debianDataCopy(t),
		Flags: []string{"--allow-network", registry, "--registries", registries, "--without", "npm", "--without", "PyPI", "--without", "Go", "--without", "Maven"}}
	token := func(name string, flags ...string) string {
		t.Helper()
		out, err := config.Run(t.Context(), "token", append([]string{"create", "--name", name}, flags...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	shop, every := token("shop", "--project", "shop"), token("every")
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v\n%s", err, s.Log())
		}
		for _, secret := range []string{"hunter2", shop, every} {
			if strings.Contains(s.Log(), secret) {
				t.Errorf("the log has a secret:\n%s", s.Log())
			}
		}
	}()

	recipe := imagetest.Find(t, "changed-database")
	// The lists of installed files, without which the languages' packages have no owner.
	recipe.Dockerfile += "RUN mkdir -p /var/lib/dpkg/info && sed -n 's/^Package: //p' /var/lib/dpkg/status | while read p; do echo /. >/var/lib/dpkg/info/$p.list; done\n"
	built := engine.Build(t, recipe)
	engine.Docker(t, "login", "--username", "ci", "--password", "hunter2hunter2", registry)
	image := engine.Push(t, built, registry)
	want := scanned(t, exec.Command(filepath.Join(bin, "assay"), "--root", engine.Export(t, built), "--server", s.URL, "--format", "json", every))
	if len(want.Findings) < 4 {
		t.Fatalf("assay finds %d vulnerabilities", len(want.Findings))
	}

	// On the command line, from the registry and from archives.
	scan := func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, "assayd"), append([]string{"scan", "--data", config.Data, "--format", "json",
			"--without", "npm", "--without", "PyPI", "--without", "Go", "--without", "Maven"}, args...)...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+home)
		return cmd
	}
	fromRegistry := scanned(t, scan(image))
	sameVerdict(t, "assayd scan "+image, fromRegistry, want)
	if i := fromRegistry.Image; i == nil || i.Name != image || !strings.HasPrefix(i.Digest, "sha256:") || i.Platform != "linux/amd64" || len(i.Layers) != 5 ||
		!strings.HasPrefix(i.Layers[1].CreatedBy, "RUN sed -i") {
		t.Errorf("image %+v", i)
	}
	archive := engine.Save(t, built)
	sameVerdict(t, "docker save", scanned(t, scan(archive)), want)
	layout := filepath.Join(t.TempDir(), "layout")
	if out, err := exec.Command("skopeo", "--insecure-policy", "copy", "docker-archive:"+archive, "oci:"+layout+":1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameVerdict(t, "a folder of skopeo", scanned(t, scan(layout)), want)

	// Over the network, with the credentials of the project and with those of the request.
	good := base64.URLEncoding.EncodeToString([]byte(jsonText(t, map[string]string{"username": "ci", "password": "hunter2hunter2"})))
	bad := base64.URLEncoding.EncodeToString([]byte(jsonText(t, map[string]string{"username": "ci", "password": "hunter2wrong"})))
	post := func(secret, auth, name string) (int, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/api/v1/images", strings.NewReader(jsonText(t, map[string]string{"image": name})))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Registry-Auth", auth)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	for name, with := range map[string][2]string{"the project": {shop, ""}, "the request": {every, good}} {
		status, body := post(with[0], with[1], image)
		var v verdict.Verdict
		if err := json.Unmarshal(body, &v); err != nil || status != 200 {
			t.Fatalf("with credentials of %s: %d %s", name, status, body)
		}
		sameVerdict(t, "with credentials of "+name, v, want)
	}
	for _, tt := range []struct {
		name, secret, auth, image string
		status                    int
	}{
		{"no credentials", every, "", image, 424},
		{"wrong credentials", every, bad, image, 424},
		{"wrong credentials before those of the project", shop, bad, image, 424},
		{"an unknown tag", every, good, registry + "/images/changed-database:none", 404},
		{"an unknown name", every, good, registry + "/images/none:1", 404},
		{"another port", every, good, "127.0.0.1:1/images/x:1", 403},
	} {
		if status, body := post(tt.secret, tt.auth, tt.image); status != tt.status || !strings.Contains(string(body), `"hint":"`) || strings.Contains(string(body), "hunter2") {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.status)
		}
	}

	// A layer that was changed in the registry.
	damageLayer(t, storage, fromRegistry.Image.Layers[1].Digest)
	if status, body := post(every, good, image); status != 422 {
		t.Errorf("a damaged layer: %d %s", status, body)
	}
	cmd := scan(image)
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "verdict=error code=1") {
		t.Errorf("a damaged layer: %v\n%s", err, out)
	}
	if left, err := os.ReadDir(filepath.Join(config.Data, "images")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// scanned runs a scan that finds something, and returns the verdict that it prints.
func scanned(t *testing.T, cmd *exec.Cmd) (v verdict.Verdict) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil || cmd.ProcessState.ExitCode() != verdict.CodeFail {
		t.Fatalf("%v: %v\n%s", cmd.Args[:2], err, stderr.String())
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sameVerdict compares all that matters of the verdict on an image with that of assay.
func sameVerdict(t *testing.T, name string, got, want verdict.Verdict) {
	t.Helper()
	layers := 0
	for _, v := range []*verdict.Verdict{&got, &want} {
		for i := range v.Findings {
			if v.Findings[i].Layer != "" {
				layers++
			}
			v.Findings[i].Layer, v.Findings[i].FirstSeen = "", nil
		}
	}
	if layers != len(got.Findings) {
		t.Errorf("%s: %d of %d findings have a layer", name, layers, len(got.Findings))
	}
	for what, pair := range map[string][2]any{
		"findings": {got.Findings, want.Findings}, "counts": {got.Counts, want.Counts}, "decision": {got.Decision, want.Decision},
		"evaluated": {got.Evaluated, want.Evaluated}, "system": {got.System, want.System}, "scan errors": {got.ScanErrors, want.ScanErrors},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: other %s:\n%+v\nwant\n%+v", name, what, pair[0], pair[1])
		}
	}
}

// damageLayer changes one byte of a layer in the storage of a registry.
func damageLayer(t *testing.T, storage, digest string) {
	t.Helper()
	hex := strings.TrimPrefix(digest, "sha256:")
	done := false
	err := filepath.WalkDir(storage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, filepath.Join("blobs", "sha256", hex[:2], hex, "data")) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 0xff
		done = true
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || !done {
		t.Fatalf("the layer %s was not found: %v", digest, err)
	}
}
