package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"assay/check/testkit"
)

// TestSystemd installs assayd on a Debian whose systemd has booted, and scans there over
// HTTPS.
func TestSystemd(t *testing.T) {
	testkit.Long(t)
	if os.Geteuid() != 0 {
		testkit.Missing(t, "root: a Debian is booted")
	}
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s: deploy/needs.sh installs it", tool)
		}
	}
	root := filepath.Join(t.TempDir(), "root")
	out, err := exec.Command("sh", "-c", `mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
exec debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm "$1" "$mirror"`, "sh", root).CombinedOutput()
	if err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	project := filepath.Join(root, "root", "assay")
	release(t, filepath.Join(project, "dist", "release"))
	manual, err := exec.Command(filepath.Join(project, "dist", "release", "linux", runtime.GOARCH, "assayd"), "man").Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(project, "dist", "release", "share", "man", "man8", "assayd.8"), string(manual))
	for _, name := range []string{"deploy/systemd", "testdata/sample"} {
		if err := os.CopyFS(filepath.Join(project, name), os.DirFS(filepath.Join(testkit.Root(t), name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"deploy/systemd/assayd.service", "deploy/systemd/postgresql.conf"} {
		if err := os.Chmod(filepath.Join(project, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	writeCertificates(t, filepath.Join(root, "etc", "assayd"))
	write(t, filepath.Join(root, "etc", "hosts"), "127.0.0.1 localhost "+host+"\n")
	write(t, filepath.Join(root, "etc", "default", "assayd"), "ASSAYD_FLAGS=--public-url=https://"+host+
		" --tls-cert=/etc/assayd/cert.pem --tls-key=/etc/assayd/key.pem --ca=/etc/assayd/ca.pem --update-every=0\n")

	inside := boot(t, root)
	must := func(command string) string {
		t.Helper()
		out, err := inside(command)
		if err != nil {
			journal, _ := inside("journalctl -u assayd --no-pager -n 20")
			t.Fatalf("%s: %v\n%s\n%s", command, err, out, journal)
		}
		return out
	}
	must("/root/assay/deploy/systemd/install.sh " + host)
	must("assayd ready")
	if said := must("systemd-analyze verify --man=no /etc/systemd/system/assayd.service 2>&1"); said != "" {
		t.Errorf("systemd-analyze verify: %s", said)
	}
	must("assayd import /root/assay/testdata/sample/advisories")
	token := strings.TrimSpace(must("assayd token create --name ci 2>/dev/null"))
	scan := "/usr/local/lib/assayd/linux/" + runtime.GOARCH + "/assay " + token + " --server https://" + host + " --cacert /etc/assayd/ca.pem --root /root/assay/testdata/sample/root"
	// Until the import is served, which takes seconds, the scan ends with code 5.
	eventually(t, "the scan does not end with exit code 4", func() bool {
		_, err := inside(scan)
		exit, ok := errors.AsType[*exec.ExitError](err)
		return ok && exit.ExitCode() == 4
	})
	// What root does while the service is stopped leaves the service its files.
	must("systemctl stop assayd")
	must("assayd token create --name another")
	must("systemctl start assayd")
	must("assayd ready")
	must("systemctl kill -s KILL assayd")
	eventually(t, "assayd was not started again", func() bool {
		_, err := inside("systemctl is-active assayd && assayd ready")
		return err == nil
	})
	must("systemctl stop assayd")
	if got := must("systemctl show -p Result --value assayd"); got != "success\n" {
		t.Errorf("the service ended with %q", got)
	}
	if log := must("journalctl -u assayd --no-pager"); strings.Contains(log, token) {
		t.Error("the token is in the log")
	}
}

// boot starts the systemd of a root, without a network, and returns a function that runs
// a command there.
func boot(t *testing.T, root string) (inside func(command string) (string, error)) {
	t.Helper()
	cmd := exec.Command("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--directory", root, "--boot", "--console=pipe")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // an orderly shutdown
		<-ended
	})
	inside = func(command string) (string, error) {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil || len(strings.Fields(string(children))) == 0 {
			return "", fmt.Errorf("no init: %w", err)
		}
		in := exec.Command("nsenter", "--target", strings.Fields(string(children))[0], "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd", "/bin/sh", "-c", command)
		in.Env = []string{"PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
		out, err := in.CombinedOutput()
		return string(out), err
	}
	eventually(t, "systemd does not answer", func() bool {
		_, err := inside("systemctl is-active multi-user.target")
		return err == nil
	})
	return inside
}
