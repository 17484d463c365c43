package mount

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"assay/check/testkit"
)

// A step of Docker's classic builder; the base image has a VOLUME /data.
const classic = `623 484 0:55 / / rw,relatime master:258 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/d,workdir=/w
624 623 0:58 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
625 623 0:59 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
626 625 0:60 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666
627 623 0:61 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
628 627 0:31 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
629 625 0:57 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
630 625 0:62 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
631 623 254:0 /var/lib/docker/volumes/5d0a1f/_data /data rw,relatime - ext4 /dev/vda rw
632 623 254:0 /var/lib/docker/containers/7c/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw
633 623 254:0 /var/lib/docker/containers/7c/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw
634 623 254:0 /var/lib/docker/containers/7c/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw
485 624 0:58 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
`

// A BuildKit step with a cache, a bind mount of a stage, a secret and a tmpfs.
const buildkit = `100 99 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
101 100 0:41 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
102 100 0:42 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
103 100 0:43 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
104 100 254:0 /var/lib/buildkit/runc-overlayfs/snapshots/snapshots/12/fs /var/cache/apt rw,relatime - ext4 /dev/vda rw
105 100 0:44 / /.assay ro,relatime - overlay overlay ro,lowerdir=/a:/b
106 100 254:0 /var/lib/buildkit/runc-overlayfs/snapshots/snapshots/9/fs /src ro,relatime - ext4 /dev/vda rw
107 100 0:45 / /run/secrets/assay_token ro,nosuid,nodev,relatime - tmpfs tmpfs rw
108 100 0:46 / /tmp rw,nosuid,nodev,relatime - tmpfs tmpfs rw
109 100 254:0 /var/lib/buildkit/executor/hosts /etc/hosts ro,relatime - ext4 /dev/vda rw
`

// A machine with /usr and /home on their own disks, a network share and a snap. Its
// root was moved into place, so its line comes after the lines of mounts below it.
const machine = `21 26 0:20 / /proc rw,relatime - proc proc rw
22 26 0:21 / /sys rw,relatime - sysfs sysfs rw
23 26 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334416k
24 26 0:22 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw
1 1 0:2 / / rw - rootfs rootfs rw
26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
27 26 254:1 / /usr rw,relatime shared:2 - ext4 /dev/vdb rw
28 26 254:2 / /home rw,relatime - xfs /dev/mapper/vg-home rw
29 26 0:50 / /mnt/share rw,relatime - nfs4 server:/export rw
30 26 0:51 / /mnt/host rw,relatime - virtiofs host rw
31 26 7:0 / /snap/core/1 ro,nodev,relatime - squashfs /dev/loop0 ro
32 26 254:0 / /mnt/again rw,relatime - ext4 /dev/vda rw
33 26 254:0 /srv/data /mnt/part rw,relatime - ext4 /dev/vda rw
34 26 0:52 / /mnt/liar rw,relatime - tmpfs /dev/vdz rw
35 26 0:53 / /mnt/sshfs rw,relatime - fuse.sshfs me@host: rw
36 26 8:1 / /mnt/usb rw,relatime - fuseblk /dev/sda1 rw
37 26 0:54 / /tank rw,relatime - zfs tank rw
`

func TestOutside(t *testing.T) {
	for _, c := range []struct {
		name, text, root string
		want             []string
	}{
		{"classic builder", classic, "/", []string{
			"dev", "dev/mqueue", "dev/pts", "dev/shm", "etc/hostname", "etc/hosts", "etc/resolv.conf",
			"proc", "proc/bus", "sys", "sys/fs/cgroup",
		}},
		{"buildkit", buildkit, "/", []string{
			".assay", "dev", "etc/hosts", "proc", "run/secrets/assay_token", "src", "sys", "tmp", "var/cache/apt",
		}},
		{"machine", machine, "/", []string{
			"dev", "mnt/again", "mnt/host", "mnt/liar", "mnt/part", "mnt/share", "mnt/sshfs", "proc", "run", "sys",
		}},
		{"a root below", machine, "/mnt", []string{"again", "host", "liar", "part", "share", "sshfs"}},
		{"the root is a mount", machine, "/mnt/share", nil},
		{"the root is in a mount", machine, "/run/img", nil},
		{"a name that only begins alike", "9 8 0:1 / /mnt2 rw - tmpfs t rw\n", "/mnt", nil},
		{"escapes", "9 8 0:1 / /a\\040b\\134\\011c\\012 rw - tmpfs t rw\n", "/", []string{"a b\\\tc\n"}},
		{"secrets on a disk", "9 8 8:1 / /run/secrets rw - ext4 /dev/sdb1 rw\n", "/", []string{"run/secrets"}},
		{"a volume on tmpfs", "9 8 0:1 /d/volumes/ab-1/_data /v rw - tmpfs t rw\n", "/", nil},
		{"no volume", "9 8 0:1 /d/volumes/a/b/_data /v rw - tmpfs t rw\n", "/", []string{"v"}},
		{"the later of two at a point, kept",
			"1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:1 / /m rw - tmpfs t rw\n3 2 8:1 / /m rw - ext4 /dev/b rw\n", "/", nil},
		{"the later of two at a point, left out",
			"1 0 8:0 / / rw - ext4 /dev/a rw\n3 1 8:1 / /m rw - ext4 /dev/b rw\n2 3 0:1 / /m rw - tmpfs t rw\n", "/", []string{"m"}},
		{"on top, in any order of lines",
			"1 0 8:0 / / rw - ext4 /dev/a rw\n2 3 0:1 / /m rw - tmpfs t rw\n3 1 8:1 / /m rw - ext4 /dev/b rw\n", "/", []string{"m"}},
		{"two of one parent",
			"1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:1 / /m rw - tmpfs t rw\n3 1 8:1 / /m rw - ext4 /dev/b rw\n", "/", nil},
		{"hidden by a mount above it",
			"1 0 8:0 / / rw - ext4 /dev/a rw\n2 1 0:1 / /m/x rw - tmpfs t rw\n4 2 0:2 / /m/x/y rw - tmpfs t rw\n3 1 8:1 / /m rw - ext4 /dev/b rw\n", "/", nil},
		{"parents in a ring",
			"1 2 0:1 / /a rw - tmpfs t rw\n2 1 0:2 / /b rw - tmpfs t rw\n", "/", []string{"a", "b"}},
		{"nothing", "", "/", nil},
	} {
		mounts, err := Parse(strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := Outside(mounts, c.root); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	text := `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue
nonsense
1 2 3 4
a 35 98:0 / /x rw - ext3 /dev/root rw
36 b 98:0 / /x rw - ext3 /dev/root rw
36 35 98:0 / relative rw - ext3 /dev/root rw

37 35 0:5 / /last\0 rw - my\040fs none rw`
	got, err := Parse(strings.NewReader(text))
	want := []Mount{
		{36, 35, "98:0", "/mnt1", "/mnt2", "ext3", "/dev/root"},
		{37, 35, "0:5", "/", `/last\0`, "my fs", "none"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one for line 2", err)
	}
}

func TestParseIsBounded(t *testing.T) {
	line := "1 0 8:0 / /" + strings.Repeat("x", 70_000) + " rw - ext4 a rw\n"
	if got, err := Parse(strings.NewReader(line)); err == nil || len(got) != 0 {
		t.Errorf("a line of %d bytes: %d mounts, %v", len(line), len(got), err)
	}
	many := strings.Repeat("1 0 8:0 / / rw - e a\n", maxMounts+5)
	if got, err := Parse(strings.NewReader(many)); err == nil || len(got) != maxMounts {
		t.Errorf("%d mounts, %v", len(got), err)
	}
}

// The kernel's mountinfo of real mounts: the test runs itself in its own mount
// namespace.
func TestOutsideOfRealMounts(t *testing.T) {
	if dir := os.Getenv("ASSAY_TEST_MOUNTS"); dir != "" {
		realMounts(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestOutsideOfRealMounts$", "-test.v")
	cmd.Env = append(os.Environ(), "ASSAY_TEST_MOUNTS="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		testkit.Missing(t, "no right to make a mount namespace: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "SKIP") {
		testkit.Missing(t, "%s", out)
	}
}

func realMounts(t *testing.T, dir string) {
	for _, d := range []string{"tmp", "bind", "data", "lib/volumes/id/_data", "odd name\n", "stack", "plain"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(source, point, fstype string, flags uintptr) {
		t.Helper()
		if err := unix.Mount(source, filepath.Join(dir, point), fstype, flags, ""); err != nil {
			testkit.Missing(t, "mount: %v", err)
		}
	}
	mount("tmpfs", "tmp", "tmpfs", 0)
	mount(filepath.Join(dir, "plain"), "bind", "", unix.MS_BIND)
	mount(filepath.Join(dir, "lib/volumes/id/_data"), "data", "", unix.MS_BIND)
	mount("tmpfs", "odd name\n", "tmpfs", 0)
	mount("tmpfs", "stack", "tmpfs", 0)
	mount(filepath.Join(dir, "lib/volumes/id/_data"), "stack", "", unix.MS_BIND)
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mounts, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	// The volume is in the tree at data, and again at stack, on top of a tmpfs.
	if got, want := Outside(mounts, dir), []string{"bind", "odd name\n", "stack", "tmp"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Outside(mounts, filepath.Join(dir, "tmp")); len(got) != 0 {
		t.Errorf("below a tmpfs that is the root: %q", got)
	}
}

func FuzzOutside(f *testing.F) {
	f.Add(classic, "/")
	f.Add(buildkit, "/var")
	f.Add(machine, "/mnt")
	f.Add("1 2 0:1 / /a rw - tmpfs t rw\n2 1 0:2 / /b rw - tmpfs t rw\n", "/")
	f.Fuzz(func(t *testing.T, text, root string) {
		if !strings.HasPrefix(root, "/") || filepath.Clean(root) != root {
			root = "/"
		}
		mounts, _ := Parse(strings.NewReader(text))
		out := Outside(mounts, root)
		if !slices.IsSorted(out) {
			t.Errorf("not sorted: %q", out)
		}
		for _, rel := range out {
			point := strings.TrimSuffix(root, "/") + "/" + rel
			if rel == "" || !slices.ContainsFunc(mounts, func(m Mount) bool { return m.Point == point }) {
				t.Errorf("%q is not a mount below %q", rel, root)
			}
		}
	})
}
