package deploy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"assay/check/testkit"
)

// host is the name of the service.
const host = "assay.test"

// postgresUser is the user of the image postgres.
const postgresUser = 999

// TestCompose builds the image, starts the services of compose.yaml, and scans builds over
// HTTPS until one passes. No registry is needed: stand-ins for the images golang and
// postgres are made of the programs of this machine.
func TestCompose(t *testing.T) {
	testkit.Long(t)
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: an engine is started")
	}
	for _, tool := range []string{"dockerd", "docker", "docker-compose", "unshare", "nsenter", "busybox", "iptables", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	postgres, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(postgres) == 0 {
		testkit.Missing(t, "postgresql: deploy/needs.sh installs it")
	}
	root := testkit.Root(t)
	// Not t.TempDir: the path of the engine's socket must be short.
	dir, err := os.MkdirTemp("", "assay")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	tls := filepath.Join(dir, "tls")
	writeCertificates(t, tls)
	e := startEngine(t, dir, filepath.Join(tls, "ca.pem"))
	e.load(t, "golang:1.26", golang(t))
	e.load(t, "postgres:17", database(t, filepath.Dir(postgres[len(postgres)-1])),
		"ENV PGDATA=/var/lib/postgresql/data", "VOLUME /var/lib/postgresql/data", `ENTRYPOINT ["/entrypoint"]`)
	e.load(t, "debian:12-slim", debian(t, false))
	e.load(t, "debian:12-fixed", debian(t, true))

	mount := filepath.Join(dir, "mount.yaml")
	write(t, mount, "services: {assayd: {volumes: ['"+filepath.Join(root, "testdata/sample/advisories")+":/advisories:ro']}}\n")
	e.env = append(e.env, "ASSAY_DOMAIN="+host, "ASSAY_TLS="+tls)
	compose := func(args ...string) string {
		t.Helper()
		return e.must(t, "docker-compose", append([]string{"-p", "assaytest", "-f", filepath.Join(root, "deploy/compose.yaml"),
			"-f", filepath.Join(root, "deploy/compose.tls.yaml"), "-f", mount}, args...)...)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(compose("logs", "--no-color"))
		}
		compose("down", "-v")
	})
	compose("up", "-d", "--build")
	eventually(t, "assayd is not ready", func() bool {
		_, err := e.run(t, "docker", "exec", "assayd", "assayd", "ready")
		return err == nil
	})
	e.must(t, "docker", "exec", "assayd", "assayd", "import", "/advisories")
	eventually(t, "the import is not served", func() bool {
		return !strings.Contains(e.metrics(t), "\nassayd_data_records 0\n")
	})
	token := strings.TrimSpace(e.must(t, "sh", "-c", "docker exec assayd assayd token create --name ci 2>/dev/null"))

	for _, tt := range []struct {
		base, want string
		code       int
	}{
		{"debian:12-slim", "assay: FAIL, exit code 4", 4},
		{"debian:12-fixed", "assay: PASS, exit code 0", 0},
	} {
		context := t.TempDir()
		write(t, filepath.Join(context, "Dockerfile"), fmt.Sprintf("FROM %s\nADD https://%s/assay /\nRUN chmod +x /assay\nARG token\nRUN /assay ${token}\n", tt.base, host))
		log, err := e.run(t, "docker", "build", "--no-cache", "--network", "host", "--add-host", host+":127.0.0.1", "--build-arg", "token="+token, context)
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		}
		if code != tt.code || !strings.Contains(log, tt.want) {
			t.Errorf("the build from %s: exit code %d, want %d and %q\n%s", tt.base, code, tt.code, tt.want, log)
		}
	}

	metrics := e.metrics(t)
	for _, want := range []string{`assayd_scans_total{outcome="fail"} 1`, `assayd_scans_total{outcome="pass"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
	testContainers(t, e)
	testImage(t, e, root)
	eventually(t, "the health check of the image fails", func() bool {
		return strings.TrimSpace(e.must(t, "docker", "inspect", "-f", "{{.State.Health.Status}}", "assayd")) == "healthy"
	})
	e.must(t, "docker", "stop", "assayd")
	if code := strings.TrimSpace(e.must(t, "docker", "inspect", "-f", "{{.State.ExitCode}}", "assayd")); code != "0" {
		t.Errorf("assayd ended with %s\n%s", code, e.must(t, "docker", "logs", "assayd"))
	}
	if log := e.must(t, "docker", "logs", "assayd"); strings.Contains(log, token) {
		t.Error("the token is in the log")
	}
}

// testContainers checks what protects the containers.
func testContainers(t *testing.T, e *engine) {
	t.Helper()
	var containers []struct {
		Name   string
		Config struct {
			User string
			Env  []string
		}
		HostConfig struct {
			ReadonlyRootfs, Privileged bool
			CapDrop, SecurityOpt       []string
			NetworkMode                string
		}
	}
	ids := strings.Fields(e.must(t, "docker", "ps", "-q"))
	if err := json.Unmarshal([]byte(e.must(t, "docker", append([]string{"inspect"}, ids...)...)), &containers); err != nil {
		t.Fatal(err)
	}
	if len(containers) != 2 {
		t.Fatalf("%d containers", len(containers))
	}
	for _, c := range containers {
		h := c.HostConfig
		if !h.ReadonlyRootfs || h.Privileged || !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Contains(h.SecurityOpt, "no-new-privileges:true") ||
			c.Config.User == "" || c.Config.User == "root" {
			t.Errorf("%s: user %q, %+v", c.Name, c.Config.User, h)
		}
		if c.Name != "/assayd" && h.NetworkMode != "none" {
			t.Errorf("%s has the network %q", c.Name, h.NetworkMode)
		}
		for _, v := range c.Config.Env {
			if strings.Contains(v, "PASSWORD") {
				t.Errorf("%s has a password in its environment", c.Name)
			}
		}
	}
}

// testImage checks that a second build makes the same layers, and that the image holds the
// programs and nothing else.
func testImage(t *testing.T, e *engine, root string) {
	t.Helper()
	const layers = "{{json .RootFS.Layers}}"
	first := e.must(t, "docker", "image", "inspect", "-f", layers, "assayd")
	e.must(t, "docker", "build", "-q", "--no-cache", "-t", "again", "-f", filepath.Join(root, "deploy/image/Dockerfile"), root)
	if again := e.must(t, "docker", "image", "inspect", "-f", layers, "again"); again != first {
		t.Errorf("a second build has the layers %s, not %s", again, first)
	}
	id := strings.TrimSpace(e.must(t, "docker", "create", "again"))
	defer e.must(t, "docker", "rm", id)
	var files []string
	for name := range strings.Lines(e.must(t, "sh", "-c", "docker export "+id+" | tar t")) {
		switch name = strings.TrimSpace(name); {
		case strings.HasSuffix(name, "/"):
		case strings.HasPrefix(name, "dev/"), strings.HasPrefix(name, "etc/"), name == ".dockerenv": // the engine makes these
		default:
			files = append(files, name)
		}
	}
	slices.Sort(files)
	want := []string{"app/LICENSE", "app/THIRD-PARTY-NOTICES", "app/assayd", "app/install.sh", "app/linux/amd64/assay", "app/linux/arm64/assay"}
	if !slices.Equal(files, want) {
		t.Errorf("the image holds %q, want %q", files, want)
	}
}

// An engine is dockerd with a network of its own, in which it can publish any port.
type engine struct {
	env []string
	pid int
}

// startEngine starts dockerd, which trusts the authority of a file, in dir.
func startEngine(t *testing.T, dir, authority string) *engine {
	t.Helper()
	e := &engine{env: append(os.Environ(), "DOCKER_HOST=unix://"+filepath.Join(dir, "d.sock"), "DOCKER_CONFIG="+dir,
		"DOCKER_BUILDKIT=0", "PATH=/usr/bin:/bin:/usr/sbin:/sbin")} // the client of Debian
	hosts := filepath.Join(dir, "hosts")
	write(t, hosts, "127.0.0.1 localhost "+host+"\n")
	log, err := os.Create(filepath.Join(dir, "dockerd.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("unshare", "--net", "--mount", "sh", "-c",
		`busybox ip link set lo up && mount --bind "$1" /etc/hosts && cd "$2" && exec dockerd --host "unix://$2/d.sock" --data-root "$2/data" --exec-root "$2/exec" --pidfile "$2/pid"`,
		"sh", hosts, dir)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(e.env, "SSL_CERT_FILE="+authority), log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.pid = cmd.Process.Pid // unshare and sh replace themselves
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	eventually(t, "dockerd does not answer", func() bool {
		_, err := e.run(t, "docker", "info")
		return err == nil
	})
	return e
}

// run returns what a command prints.
func (e *engine) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	if t.Context().Err() != nil { // in a cleanup
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	}
	defer cancel()
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin"} {
		if p := filepath.Join(dir, name); exists(p) {
			name = p
			break
		}
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = e.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must returns what a command prints that has to succeed.
func (e *engine) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := e.run(t, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// metrics returns the metrics of assayd, from the loopback address of the engine's network.
func (e *engine) metrics(t *testing.T) string {
	t.Helper()
	return e.must(t, "nsenter", "--net", "--target", fmt.Sprint(e.pid), "curl", "-fsS", "http://127.0.0.1:9090/metrics")
}

// load makes an image of a folder.
func (e *engine) load(t *testing.T, name, folder string, changes ...string) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "image.tar")
	e.must(t, "tar", "-C", folder, "-cf", archive, ".")
	args := []string{"import"}
	for _, c := range changes {
		args = append(args, "--change", c)
	}
	e.must(t, "docker", append(args, archive, name)...)
}

// shell makes a folder with busybox.
func shell(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "bin", "busybox"), string(program))
	for _, name := range []string{"sh", "chmod", "chown", "cp", "find", "head", "mkdir", "mv", "touch"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// golang makes a stand-in for the image golang. Its make copies programs that are built
// here.
func golang(t *testing.T) string {
	t.Helper()
	dir := shell(t)
	release(t, filepath.Join(dir, "release"))
	write(t, filepath.Join(dir, "bin", "go"), "#!/bin/sh\necho "+runtime.GOARCH+"\n")
	write(t, filepath.Join(dir, "bin", "make"), "#!/bin/sh\n[ \"$1\" = programs ] && mkdir dist && cp -r /release dist\n")
	return dir
}

// release makes the folder that make programs makes, with the client of this machine for
// all architectures.
func release(t *testing.T, dir string) {
	t.Helper()
	programs := filepath.Join(dir, "linux", runtime.GOARCH)
	for out, pkg := range map[string]string{"assayd": "./service/assayd", "assay": "."} {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs", "-ldflags", "-s -w", "-o", filepath.Join(programs, out), pkg)
		cmd.Dir, cmd.Env = testkit.Root(t), append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", out, err, b)
		}
	}
	client, err := os.ReadFile(filepath.Join(programs, "assay"))
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		write(t, filepath.Join(dir, "linux", arch, "assay"), string(client))
	}
	write(t, filepath.Join(dir, "install.sh"), read(t, "install.sh"))
	write(t, filepath.Join(dir, "THIRD-PARTY-NOTICES"), "for a test\n")
}

// database makes a stand-in for the image postgres of the programs of this machine. Its
// entrypoint does what the documentation of that image says.
func database(t *testing.T, bin string) string {
	t.Helper()
	dir := shell(t)
	out, err := exec.Command("sh", "-c", `
set -e
share=$("$1/pg_config" --sharedir 2>/dev/null || echo "/usr/share/postgresql/$(basename "$(dirname "$1")")")
lib=$(dirname "$1")
mkdir -p "$2$lib" "$2$share" "$2/usr/share/zoneinfo" "$2/tmp"
cp -a "$lib/bin" "$lib/lib" "$2$lib/"
cp -a "$share/." "$2$share/"
cp -a /usr/share/zoneinfo/. "$2/usr/share/zoneinfo/"
chmod 1777 "$2/tmp"
rm -rf "$2$lib/lib/bitcode" "$2$lib"/lib/llvmjit*
ldd "$2$lib"/bin/* "$2$lib"/lib/*.so 2>/dev/null | grep -o '/[^ ]*' | grep -v "^$2" | tr -d : | sort -u | while read -r f; do
	mkdir -p "$2$(dirname "$f")"; cp -L "$f" "$2$f"; done
mkdir -p "$2/var/lib/postgresql/data" "$2/run/postgresql" "$2/var" "$2/etc"
ln -s ../run "$2/var/run"
chown -R "$3:$3" "$2/var/lib/postgresql" "$2/run/postgresql"
printf 'root:x:0:0::/:/bin/sh\npostgres:x:%s:%s::/var/lib/postgresql:/bin/sh\n' "$3" "$3" >"$2/etc/passwd"
for f in "$lib"/bin/*; do ln -sf "$f" "$2/bin/"; done
`, "sh", bin, dir, fmt.Sprint(postgresUser)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write(t, filepath.Join(dir, "entrypoint"), `#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	[ "$POSTGRES_HOST_AUTH_METHOD" = trust ]
	initdb -D "$PGDATA" --username="$POSTGRES_USER" --locale=C --encoding=UTF8 $POSTGRES_INITDB_ARGS
	pg_ctl -D "$PGDATA" -o "-c listen_addresses=" -w start
	createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
	pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
`)
	return dir
}

// debian makes the sample of a Debian, or one in which its vulnerable packages have the
// versions that fix them.
func debian(t *testing.T, fixed bool) string {
	t.Helper()
	dir := shell(t)
	sample := filepath.Join(testkit.Root(t), "testdata", "sample", "root")
	if err := os.CopyFS(dir, os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	if fixed {
		status := filepath.Join("var", "lib", "dpkg", "status")
		write(t, filepath.Join(dir, status), strings.NewReplacer(
			"Version: 5.36.0-7+deb12u3\n", "Version: 5.36.0-7+deb12u4\n",
			"Version: 2.6.1\n", "Version: 2.6.2\n",
			"Version: 10.42-1\n", "Version: 10.42-1+deb12u2\n",
		).Replace(read(t, filepath.Join("testdata/sample/root", status))))
	}
	return dir
}

// writeCertificates makes an authority and a certificate for host, as files for
// compose.tls.yaml.
func writeCertificates(t *testing.T, dir string) {
	t.Helper()
	now := time.Now()
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	}
	root := template(1, "authority")
	root.IsCA, root.BasicConstraintsValid = true, true
	leaf := template(2, host)
	leaf.DNSNames = []string{host}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, root, leafKey.Public(), rootKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: ca}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		write(t, filepath.Join(dir, name), string(pem.EncodeToMemory(b)))
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// write writes a file that everybody can read and execute, and makes its folder.
func write(t *testing.T, path, text string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755))
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok reports true, for a minute at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
