// Images compares the time and the memory that assayd and Trivy need for a large image in a
// registry on this machine. It makes the image of folders of a root, and starts the registry.
//
// Trivy makes its inventory without its database of vulnerabilities, which is not to be had
// without a network. assayd also evaluates the inventory with the sample advisories.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"assay/check/peers"
	"assay/check/testkit/assayd"
	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the programs that it builds")
	flag.StringVar(&c.assayd, "assayd", "dist/assayd", "the `program`")
	flag.StringVar(&c.root, "root", "/", "`folder` of the root whose files the image has")
	flag.Int64Var(&c.size, "size", 1<<30, "`bytes` of the files of the image")
	flag.IntVar(&c.runs, "runs", 3, "`number` of interleaved runs")
	program.Main("images", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	tools, assayd, root string
	size                int64
	runs                int
}

const layers = 8

func run(ctx context.Context, c config) error {
	trivy, err := peers.Trivy(ctx, c.tools)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "assay-images-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	registry, stop, err := startRegistry(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	image := registry + "/bench/large:1"
	made, err := push(ctx, c, image, dir)
	if err != nil {
		return err
	}
	fmt.Printf("%d files, %d MiB, %d MiB compressed, in %d layers\n", made.files, made.bytes>>20, made.compressed>>20, layers)
	data := filepath.Join(dir, "data")
	if _, err := peers.Output(ctx, nil, nil, c.assayd, "import", "testdata/sample/advisories", "--data", data); err != nil {
		return err
	}
	var ours, theirs []cost
	for i := range c.runs {
		o, err := measure(ctx, []int{4, 5}, c.assayd, "scan", "--data", data, "--format", "cyclonedx", image)
		if err != nil {
			return err
		}
		// A new folder: Trivy keeps what it has found in a layer.
		cache := filepath.Join(dir, fmt.Sprint("cache", i))
		if err := peers.TrivyCache(ctx, cache); err != nil {
			return err
		}
		t, err := measure(ctx, nil, trivy, "image", "--quiet", "--format", "cyclonedx", "--image-src", "remote", "--insecure",
			"--pkg-types", "os,library", "--offline-scan", "--skip-version-check", "--disable-telemetry",
			"--skip-java-db-update", "--cache-dir", cache, "--timeout", "1h", image)
		if err != nil {
			return err
		}
		ours, theirs = append(ours, o), append(theirs, t)
		fmt.Printf("run %d: assayd %s, %d MiB, %d components; trivy %s, %d MiB, %d components\n", i+1,
			o.wall.Round(time.Millisecond), o.peak>>20, o.components, t.wall.Round(time.Millisecond), t.peak>>20, t.components)
	}
	return report(median(ours), median(theirs))
}

// A cost is what one run took.
type cost struct {
	wall, cpu  time.Duration
	peak       int64 // resident bytes
	components int   // of the document that it printed
}

// median returns the median of each figure, by itself.
func median(all []cost) cost {
	figure := func(of func(cost) int64) int64 {
		var list []int64
		for _, c := range all {
			list = append(list, of(c))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return cost{
		time.Duration(figure(func(c cost) int64 { return int64(c.wall) })), time.Duration(figure(func(c cost) int64 { return int64(c.cpu) })),
		figure(func(c cost) int64 { return c.peak }), all[0].components,
	}
}

func report(ours, theirs cost) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "median\twall\tCPU\tpeak memory\tcomponents")
	for name, c := range map[string]cost{"assayd scan": ours, "trivy image": theirs} {
		fmt.Fprintf(w, "%s\t%.2f s\t%.2f s\t%.1f MiB\t%d\n", name, c.wall.Seconds(), c.cpu.Seconds(), float64(c.peak)/(1<<20), c.components)
	}
	fmt.Fprintf(w, "ratio\t%.2f\t%.2f\t%.2f\t\n", ours.wall.Seconds()/theirs.wall.Seconds(), ours.cpu.Seconds()/theirs.cpu.Seconds(), float64(ours.peak)/float64(theirs.peak))
	return w.Flush()
}

// measure runs a program that prints a CycloneDX document.
func measure(ctx context.Context, good []int, name string, args ...string) (cost, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG=/nonexistent")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	start := time.Now()
	out, err := cmd.Output()
	c := cost{wall: time.Since(start)}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !slices.Contains(good, exit.ExitCode())) {
		return c, fmt.Errorf("%s: %w\n%s", name, err, stderr.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return c, fmt.Errorf("%s: no resource usage on this system", name)
	}
	c.peak = usage.Maxrss << 10
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var document struct {
		Components []struct{ Type string }
	}
	if err := json.Unmarshal(out, &document); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	for _, component := range document.Components {
		if component.Type == "library" {
			c.components++
		}
	}
	return c, nil
}

// startRegistry starts Debian's registry with an empty folder.
func startRegistry(ctx context.Context, dir string) (addr string, stop func(), err error) {
	if addr, err = assayd.FreeAddr(); err != nil {
		return "", nil, err
	}
	config := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\n", filepath.Join(dir, "registry"), addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", config)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
			return addr, stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, fmt.Errorf("the registry does not answer: %w", err)
		}
	}
}

// A made is what an image has.
type made struct {
	files             int
	bytes, compressed int64
}

type object = map[string]any

// push makes the image and pushes it.
func push(ctx context.Context, c config, image, dir string) (made, error) {
	var m made
	registry, repository, _ := strings.Cut(strings.TrimSuffix(image, ":1"), "/")
	base := "http://" + registry + "/v2/" + repository
	var list []object
	var diffIDs []string
	files := walk(c.root)
	for i := range layers {
		path := filepath.Join(dir, "layer")
		w, err := newLayer(path)
		if err != nil {
			return m, err
		}
		for w.bytes < c.size/layers {
			name, ok := files()
			if !ok {
				return m, fmt.Errorf("%s has fewer than %d bytes", c.root, c.size)
			}
			if err := w.add(c.root, name); err != nil {
				return m, err
			}
		}
		digest, size, err := w.close()
		if err != nil {
			return m, err
		}
		m.files, m.bytes, m.compressed = m.files+w.files, m.bytes+w.bytes, m.compressed+size
		if err := upload(ctx, base, path, digest, size); err != nil {
			return m, fmt.Errorf("layer %d: %w", i, err)
		}
		list = append(list, object{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": size})
		diffIDs = append(diffIDs, w.diffID())
	}
	config, err := json.Marshal(object{"os": "linux", "architecture": "amd64", "rootfs": object{"type": "layers", "diff_ids": diffIDs}})
	if err != nil {
		return m, err
	}
	path := filepath.Join(dir, "config")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return m, err
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(config))
	if err := upload(ctx, base, path, digest, int64(len(config))); err != nil {
		return m, err
	}
	const mediaType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(object{"schemaVersion": 2, "mediaType": mediaType, "layers": list,
		"config": object{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}})
	if err != nil {
		return m, err
	}
	_, err = send(ctx, http.MethodPut, base+"/manifests/1", mediaType, strings.NewReader(string(manifest)))
	return m, err
}

func upload(ctx context.Context, base, path, digest string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	location, err := send(ctx, http.MethodPost, base+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	_, err = send(ctx, http.MethodPut, location+separator+"digest="+digest, "application/octet-stream", f)
	return err
}

func send(ctx context.Context, method, address, contentType string, body io.Reader) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s", method, address, resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

// walk returns a function that returns the next file of a root: first what names the packages,
// then programs and libraries.
func walk(root string) func() (string, bool) {
	names := make(chan string)
	go func() {
		defer close(names)
		for _, top := range []string{"etc", "var/lib/dpkg", "opt", "usr/local", "usr/lib/python3", "usr/share/nodejs", "usr/lib/jvm", "usr/bin", "usr/lib", "usr/share"} {
			_ = filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
				if err == nil && (d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0) {
					if name, err := filepath.Rel(root, path); err == nil {
						names <- name
					}
				}
				return nil
			})
		}
	}()
	seen := map[string]bool{}
	return func() (string, bool) {
		for name := range names {
			if !seen[name] {
				seen[name] = true
				return name, true
			}
		}
		return "", false
	}
}

// A layerFile is a layer that is being written.
type layerFile struct {
	file  *os.File
	gzip  *gzip.Writer
	tar   *tar.Writer
	plain hash.Hash // of the archive
	sent  hash.Hash // of what is written
	files int
	bytes int64
}

func newLayer(path string) (*layerFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	l := &layerFile{file: f, plain: sha256.New(), sent: sha256.New()}
	l.gzip = gzip.NewWriter(io.MultiWriter(f, l.sent))
	l.tar = tar.NewWriter(io.MultiWriter(l.gzip, l.plain))
	return l, nil
}

// maxFile is the size of the largest file that an image gets, in bytes.
const maxFile = 64 << 20

// add adds a file of a root, unless it cannot be read or is too large.
func (l *layerFile) add(root, name string) error {
	path := filepath.Join(root, name)
	info, err := os.Lstat(path)
	if err != nil || info.Size() > maxFile {
		return nil
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		target, _ = os.Readlink(path)
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil
	}
	h.Name = name
	if target != "" {
		return l.tar.WriteHeader(h)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if err := l.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyN(l.tar, f, h.Size)
	l.files, l.bytes = l.files+1, l.bytes+n
	return err
}

func (l *layerFile) close() (digest string, size int64, err error) {
	if err := errors.Join(l.tar.Close(), l.gzip.Close()); err != nil {
		return "", 0, err
	}
	info, err := l.file.Stat()
	if err != nil {
		return "", 0, err
	}
	return fmt.Sprintf("sha256:%x", l.sent.Sum(nil)), info.Size(), l.file.Close()
}

func (l *layerFile) diffID() string { return fmt.Sprintf("sha256:%x", l.plain.Sum(nil)) }
