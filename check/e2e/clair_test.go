package e2e

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/verdict"
)

// The script that users have for Clair, as it is but for the names of the image and of the
// service in it, prints what assay finds in the same image. So does a client that posts the
// layers of the image.
func TestClairScript(t *testing.T) {
	script, err := os.ReadFile(testkit.Path(t, "clair", "scan.py"))
	if err != nil {
		t.Fatal(err)
	}
	python := withRequests(t)
	registry := startRegistry(t)
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	config := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: debianDataCopy(t), Flags: []string{"--clair-listen", addr, "--allow-network", registry}}
	token, err := config.NewToken(t.Context(), "ci")
	if err != nil {
		t.Fatal(err)
	}
	s, err := config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("%v\n%s", err, s.Log())
		}
	}()
	image := registry + "/shop/app:1.2-rc"
	digest, layers := pushSample(t, registry, "shop/app", "1.2-rc")
	want := foundByAssay(t, s.URL, token)
	run := func(image string) (string, error) {
		text := strings.Replace(string(script), "your-docker-image:tag", image, 1)
		text = strings.Replace(text, "http://localhost:6060", "http://"+addr, 1)
		path := filepath.Join(t.TempDir(), "scan.py")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), python, path)
		cmd.Env = append(os.Environ(), "NO_PROXY=*")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, stderr.Bytes())
		}
		return string(out), err
	}
	for _, name := range []string{image, registry + "/shop/app@" + digest} {
		out, err := run(name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if lines[0] != "Vulnerabilities found:" {
			t.Fatalf("%q: the script prints %s", name, out)
		}
		got := slices.Sorted(slices.Values(lines[1:]))
		if !slices.Equal(got, want) {
			t.Errorf("%q: the script prints\n%s\nassay finds\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	// By its layers.
	parent := ""
	for i, blob := range layers {
		name := fmt.Sprintf("image-%d", i)
		body := fmt.Sprintf(`{"Layer":{"Name":%q,"ParentName":%q,"Path":"http://%s/v2/shop/app/blobs/%s","Format":"Docker"}}`, name, parent, registry, blob)
		if text, status := clairRequest(t, "POST", "http://"+addr+"/v1/layers", body); status != http.StatusCreated {
			t.Fatalf("%d: %s", status, text)
		}
		parent = name
	}
	text, status := clairRequest(t, "GET", "http://"+addr+"/v1/layers/"+parent+"?vulnerabilities", "")
	var answer struct {
		Layer struct {
			NamespaceName string
			Features      []struct {
				Name, AddedBy   string
				Vulnerabilities []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, text)
	}
	var ids, wanted []string
	for _, f := range answer.Layer.Features {
		for _, v := range f.Vulnerabilities {
			ids = append(ids, v.Name)
		}
		if f.AddedBy == "" {
			t.Errorf("feature %q names no layer", f.Name)
		}
	}
	for _, line := range want {
		wanted = append(wanted, line[strings.LastIndex(line, " ")+1:])
	}
	slices.Sort(ids)
	slices.Sort(wanted)
	if ids, wanted = slices.Compact(ids), slices.Compact(wanted); !slices.Equal(ids, wanted) || answer.Layer.NamespaceName != "debian:12" {
		t.Errorf("the last layer in %q has %v, assay finds %v", answer.Layer.NamespaceName, ids, wanted)
	}

	harborFinds(t, s, token, registry, digest, want)

	// What cannot be evaluated ends the script with an error, and never with an empty list.
	unknown := registry + "/shop/unknown:1"
	pushLayers(t, registry, "shop/unknown", "1", map[string]string{"etc/hostname": "x"})
	for name, why := range map[string]string{unknown: "Status", registry + "/shop/missing:1": "string indices", "10.0.0.1:5000/x": "string indices"} {
		if out, err := run(name); err == nil || strings.Contains(out, "found") || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: the script prints %q and ends with %v", name, out, err)
		}
	}
	if strings.Contains(s.Log(), token) {
		t.Error("the log has the token")
	}
}

// harborFinds asks for the report of an image as Harbor does, with the requests that its
// specification has, and compares it with what the script printed.
func harborFinds(t *testing.T, s *assayd.Server, token, registry, digest string, want []string) {
	t.Helper()
	ask := func(method, path, body string) (string, *http.Response) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/harbor/api/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("harbor", token)
		req.Header.Set("Content-Type", "application/vnd.scanner.adapter.scan.request+json; version=1.1")
		req.Header.Set("Accept", "application/vnd.security.vulnerability.report; version=1.1")
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), resp
	}
	request := func(digest string) string {
		return fmt.Sprintf(`{"registry":{"url":"http://%s"},"artifact":{"repository":"shop/app","digest":%q,"mime_type":"application/vnd.docker.distribution.manifest.v2+json"}}`, registry, digest)
	}
	report := func(digest string) (string, int) {
		text, resp := ask("POST", "/scan", request(digest))
		var accepted struct{ ID string }
		if err := json.Unmarshal([]byte(text), &accepted); err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%d, %v: %s", resp.StatusCode, err, text)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			text, resp := ask("GET", "/scan/"+accepted.ID+"/report", "")
			if resp.StatusCode != http.StatusFound || time.Now().After(deadline) {
				return text, resp.StatusCode
			}
		}
	}
	text, status := report(digest)
	var found struct {
		Vulnerabilities []struct{ ID, Package, Severity string }
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil || status != http.StatusOK {
		t.Fatalf("%d, %v: %s", status, err, text)
	}
	var got, wanted []string
	for _, v := range found.Vulnerabilities {
		got = append(got, v.ID)
	}
	for _, line := range want {
		wanted = append(wanted, line[strings.LastIndex(line, " ")+1:])
	}
	slices.Sort(got)
	slices.Sort(wanted)
	if got, wanted = slices.Compact(got), slices.Compact(wanted); !slices.Equal(got, wanted) {
		t.Errorf("Harbor gets %v, assay finds %v", got, wanted)
	}
	if text, status := report("sha256:" + strings.Repeat("0", 64)); status != http.StatusInternalServerError || !strings.Contains(text, "the image was not evaluated") {
		t.Errorf("%d: %s", status, text)
	}
}

// withRequests returns a python3 that has the module requests.
func withRequests(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import requests").Run() == nil {
			return python
		}
	}
	testkit.Missing(t, "python3 with requests: apt-get install python3-requests")
	return ""
}

// startRegistry starts Debian's registry and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	addr, _ := runRegistry(t, "")
	return addr
}

// startPrivateRegistry starts Debian's registry with a password, and returns its address and
// the folder where it stores blobs.
func startPrivateRegistry(t *testing.T, user, password string) (addr, storage string) {
	t.Helper()
	htpasswd, err := exec.LookPath("htpasswd")
	if err != nil {
		testkit.Missing(t, "htpasswd: apt-get install apache2-utils")
	}
	out, err := exec.Command(htpasswd, "-Bbn", user, password).Output()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return runRegistry(t, fmt.Sprintf("auth: {htpasswd: {realm: r, path: %q}}\n", path))
}

func runRegistry(t *testing.T, more string) (addr, storage string) {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		testkit.Missing(t, "docker-registry: apt-get install docker-registry")
	}
	if addr, err = assayd.FreeAddr(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	storage = filepath.Join(dir, "data")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n", storage, addr) + more
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", config)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
			return addr, storage
		}
		if time.Now().After(deadline) {
			t.Fatalf("the registry does not answer: %v\n%s", err, log.String())
		}
	}
}

// debianDataCopy returns a data folder of its own with the sample advisories.
func debianDataCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(debianData(t))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pushSample pushes the sample root in two layers: the lower one has a part of the packages. It
// returns the digest of the image and those of the layers.
func pushSample(t *testing.T, registry, repository, tag string) (digest string, layers []string) {
	t.Helper()
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(sampleRoot, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	status := read("var/lib/dpkg/status")
	half := strings.Join(strings.SplitAfter(status, "\n\n")[:20], "")
	return pushLayers(t, registry, repository, tag,
		map[string]string{"etc/os-release": read("etc/os-release"), "var/lib/dpkg/status": half},
		map[string]string{"var/lib/dpkg/status": status, "etc/added": "by the second layer"})
}

// pushLayers pushes an image with layers of files.
func pushLayers(t *testing.T, registry, repository, tag string, layers ...map[string]string) (digest string, blobs []string) {
	t.Helper()
	base := "http://" + registry + "/v2/" + repository
	send := func(method, address, contentType string, body []byte) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s, %v: %s", method, address, resp.Status, err, text)
		}
		return resp
	}
	type object = map[string]any
	blob := func(mediaType string, content []byte) object {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
		address := send("POST", base+"/blobs/uploads/", "", nil).Header.Get("Location")
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		send("PUT", address+separator+"digest="+digest, "application/octet-stream", content)
		return object{"mediaType": mediaType, "size": len(content), "digest": digest}
	}
	encoded := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var list []object
	for _, files := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, files[name]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		l := blob("application/vnd.docker.image.rootfs.diff.tar", b.Bytes())
		list = append(list, l)
		blobs = append(blobs, l["digest"].(string))
	}
	config := blob("application/vnd.docker.container.image.v1+json", encoded(object{
		"os": "linux", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": blobs},
	}))
	const mediaType = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := encoded(object{"schemaVersion": 2, "mediaType": mediaType, "config": config, "layers": list})
	send("PUT", base+"/manifests/"+tag, mediaType, manifest)
	return fmt.Sprintf("sha256:%x", sha256.Sum256(manifest)), blobs
}

// foundByAssay returns the findings of the sample root, as the script prints them.
func foundByAssay(t *testing.T, server, token string) []string {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "assay"), "--server", server, "--root", sampleRoot, "--format", "json", token)
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || failed.ExitCode() != verdict.CodeFail) {
		t.Fatalf("assay: %v", err)
	}
	var v verdict.Verdict
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Findings) < 5 {
		t.Fatalf("assay finds %d vulnerabilities in the sample", len(v.Findings))
	}
	words := map[verdict.Severity]string{verdict.Critical: "Critical", verdict.High: "High", verdict.Medium: "Medium", verdict.Low: "Low", verdict.Negligible: "Negligible"}
	var lines []string
	for _, f := range v.Findings {
		lines = append(lines, fmt.Sprintf("Severity: %s, Package: %s, CVE: %s", cmp.Or(words[f.Severity], "Unknown"), f.Package.Name, f.ID))
	}
	slices.Sort(lines)
	return lines
}

// clairRequest sends a request and returns the answer.
func clairRequest(t *testing.T, method, address, body string) (string, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.StatusCode
}
