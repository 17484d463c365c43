package mount

import (
	"iter"
	"path"
	"slices"
	"strings"
)

// Outside returns the mount points below root that are not part of the image. root is
// absolute and without links; the result is relative to root and sorted. A mount at
// root or above it is the image.
//
// Not part of the image are the kernel's filesystems, tmpfs, network filesystems,
// overlays, everything below /run/secrets, and bind mounts: those of a part of a
// filesystem, or of one that is already in the tree. This includes the cache, bind and
// secret mounts of a build step. Part of the image are the volumes of a container
// engine, which start with the content that the image has there, and disks that are
// mounted as a whole. A btrfs subvolume cannot be distinguished from a bind mount and
// is left out.
func Outside(mounts []Mount, root string) []string {
	points := visible(mounts)
	seen := map[string]bool{} // filesystems in the tree
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

// inImage reports whether the mount at rel, a path below the root, is part of the
// image.
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

// isVolume reports whether path, in the filesystem that is mounted, is a directory in
// which Docker and Podman keep a volume: volumes/ID/_data.
func isVolume(path string) bool {
	names := strings.Split(path, "/")
	n := len(names)
	return n >= 3 && names[n-3] == "volumes" && names[n-2] != "" && names[n-1] == "_data"
}

// onDisk reports whether m is a filesystem on a disk of this machine. A source may be
// any word, so the kernel's filesystems are recognized by type first.
func onDisk(m Mount) bool {
	switch m.Type {
	case "btrfs", "zfs", "bcachefs":
		return true // they may use several disks, or a pool
	case "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs",
		"debugfs", "devpts", "devtmpfs", "efivarfs", "fuse", "fusectl", "hugetlbfs", "mqueue",
		"nfsd", "nsfs", "overlay", "proc", "pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs",
		"securityfs", "selinuxfs", "smackfs", "sysfs", "tmpfs", "tracefs":
		return false
	}
	return strings.HasPrefix(m.Source, "/dev/") && !strings.HasPrefix(m.Type, "fuse.")
}

// none is not the ID of any mount. It replaces a parent that is the mount itself.
const none = -1

// visible returns the mounts that can be reached, by mount point. Of two mounts with
// the same parent, the one at or above the other's mount point hides the other; if both
// have the same mount point, the later line hides the earlier one. Otherwise the order
// of the lines does not matter: a root that was moved into place comes last.
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
		// Go up the chain of parents to a mount with a known state or without a listed
		// parent, then back down. A cyclic chain ends at its first repetition.
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
		// A mount on top of another one has that mount as its parent.
		if old, ok := points[m.Point]; ok && old.Parent == m.ID {
			continue
		}
		points[m.Point] = m
	}
	return points
}

// upwards yields p and all directories above it, ending with "/".
func upwards(p string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(p) && p != "/" && p != "." {
			p = path.Dir(p)
		}
	}
}

// below returns point relative to root, and whether it is below root.
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
