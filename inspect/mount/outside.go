package mount

import (
	"iter"
	"path"
	"slices"
	"strings"
)

// Outside returns the mount points below root, an absolute path without links,
// that are no part of the image: paths relative to root, sorted. A mount at
// root itself or above it is the image.
//
// Left out are the kernel's own filesystems, tmpfs, network filesystems,
// overlays, whatever is mounted under /run/secrets, and bind mounts: of a part
// of a filesystem, or of one that is in the tree already. So the cache, bind
// and secret mounts of a build step are left out. What stays in are volumes of
// a container engine, which hold what the image has at that place, and disks
// mounted whole. A btrfs subvolume cannot be told from a bind mount and is left
// out.
func Outside(mounts []Mount, root string) []string {
	points := visible(mounts)
	seen := map[string]bool{} // filesystems that are in the tree
	for p := range upwards(root) {
		if m, ok := points[p]; ok {
			seen[m.Device+m.Root] = true
			break
		}
	}
	var out []string
	for _, point := range sortedKeys(points) {
		rel, ok := below(root, point)
		if !ok {
			continue
		}
		m := points[point]
		if inImage(m, rel) && !seen[m.Device+m.Root] {
			seen[m.Device+m.Root] = true
			continue
		}
		out = append(out, rel)
	}
	return out
}

// inImage decides on the mount at rel, a path below the root.
func inImage(m Mount, rel string) bool {
	switch {
	case rel == "run/secrets" || strings.HasPrefix(rel, "run/secrets/"):
		return false
	case isVolume(m.Root):
		return true
	case m.Root != "/":
		return false
	}
	return onDisk(m)
}

// isVolume reports whether a path is that of a directory that docker and podman
// keep a volume in, as the filesystem below it has it: volumes/ID/_data.
func isVolume(path string) bool {
	names := strings.Split(path, "/")
	n := len(names)
	return n >= 3 && names[n-3] == "volumes" && names[n-2] != "" && names[n-1] == "_data"
}

// onDisk reports whether m is a filesystem on a disk of this machine. A source
// may be any word, so that the kernel's own are told by their type first.
func onDisk(m Mount) bool {
	switch m.Type {
	case "btrfs", "zfs", "bcachefs":
		return true // of several disks, or of a pool
	case "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs",
		"debugfs", "devpts", "devtmpfs", "efivarfs", "fuse", "fusectl", "hugetlbfs", "mqueue",
		"nfsd", "nsfs", "overlay", "proc", "pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs",
		"securityfs", "selinuxfs", "smackfs", "sysfs", "tmpfs", "tracefs":
		return false
	}
	return strings.HasPrefix(m.Source, "/dev/") && !strings.HasPrefix(m.Type, "fuse.")
}

// none is no mount's ID: the parent of one that names itself.
const none = -1

// visible returns, by mount point, the mounts that can be reached. Two that
// have one parent were both made in its tree: the one mounted at or above the
// other's point hides it, and of two at one point the later line. The order of
// the lines says nothing else: a root that was moved into place comes last.
func visible(mounts []Mount) map[string]Mount {
	mounts = slices.Clone(mounts)
	for i := range mounts {
		if m := &mounts[i]; m.Parent == m.ID {
			m.Parent = none
		}
	}
	type at struct {
		parent int
		point  string
	}
	last := map[at]int{}
	ids := map[int]int{}
	for i, m := range mounts {
		last[at{m.Parent, m.Point}] = i
		ids[m.ID] = i
	}
	const unknown, shown, hidden = 0, 1, 2
	state := make([]int8, len(mounts))
	for i := range mounts {
		// Up the chain of parents to one that is decided, or not listed, then down
		// again. A chain that closes on itself ends at its first repetition.
		var chain []int
		for j := i; state[j] == unknown; {
			state[j] = shown
			m := mounts[j]
			for p := range upwards(m.Point) {
				if k, ok := last[at{m.Parent, p}]; ok && k != j {
					state[j] = hidden
				}
			}
			chain = append(chain, j)
			k, ok := ids[m.Parent]
			if !ok {
				break
			}
			j = k
		}
		for _, j := range slices.Backward(chain) {
			if k, ok := ids[mounts[j].Parent]; ok && state[k] == hidden {
				state[j] = hidden
			}
		}
	}
	points := map[string]Mount{}
	for i, m := range mounts {
		if state[i] == hidden {
			continue
		}
		// A mount on top of another one has that one as its parent.
		if old, ok := points[m.Point]; ok && old.Parent == m.ID {
			continue
		}
		points[m.Point] = m
	}
	return points
}

// upwards yields p and all directories above it, "/" last.
func upwards(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(p) && p != "/" && p != "." {
			p = path.Dir(p)
		}
	}
}

// below returns point relative to root where it lies below it.
func below(root, point string) (string, bool) {
	rel, ok := strings.CutPrefix(point, strings.TrimSuffix(root, "/")+"/")
	return rel, ok && rel != ""
}

func sortedKeys(m map[string]Mount) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
