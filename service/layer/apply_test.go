package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// An entry is one of an archive: a name, and the rest by its type.
//
//	"f" file with content, "x" executable file, "d" folder, "l" link, "h" hard link,
//	"c" character device with numbers "1,3", "p" FIFO
type entry struct{ name, kind, content string }

func archiveOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	b, err := pack(entries)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pack(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, ModTime: time.Unix(1e9, 0)}
		var content string
		switch e.kind {
		case "f":
			content = e.content
		case "x":
			content, h.Mode = e.content, 0o755
		case "d":
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		case "l":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.content
		case "h":
			h.Typeflag, h.Linkname = tar.TypeLink, e.content
		case "c":
			h.Typeflag = tar.TypeChar
			fmt.Sscanf(e.content, "%d,%d", &h.Devmajor, &h.Devminor)
		case "p":
			h.Typeflag = tar.TypeFifo
		default:
			return nil, fmt.Errorf("kind %q", e.kind)
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		io.WriteString(w, content)
	}
	err := w.Close()
	return b.Bytes(), err
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(s[:])
}

// blobOf is a layer with its digests.
func blobOf(archive []byte) Blob {
	return Blob{Digest: sum(archive), DiffID: sum(archive), Open: opens(archive)}
}

func opens(b []byte) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func imageOf(t testing.TB, layers ...[]entry) Image {
	t.Helper()
	var img Image
	for _, l := range layers {
		img.Layers = append(img.Layers, blobOf(archiveOf(t, l)))
	}
	return img
}

// lay lays an image and returns its entries, one a line: "d path", "f path content",
// "l path target", "p path".
func lay(t testing.TB, img Image, limits Limits) (list string, err error) {
	t.Helper()
	_, root, err := newFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	_, err = tree.add(t.Context(), img, limits, func(int) {})
	return strings.Join(listed(t, root), "\n"), err
}

func listed(t testing.TB, root string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name := path[len(root)+1:]
		switch mode := info.Mode(); {
		case mode.IsDir():
			list = append(list, "d "+name)
		case mode.IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			kind := "f"
			if mode&0o111 != 0 {
				kind = "x"
			}
			list = append(list, kind+" "+name+" "+string(b))
		case mode&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			list = append(list, "l "+name+" "+target)
		default:
			list = append(list, "p "+name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What is laid over each other. Except for the cases that say otherwise, the result is that
// of docker load and docker export (20.10, overlay2), without the devices that a container
// gets.
func TestApply(t *testing.T) {
	base := []entry{{"d", "d", ""}, {"d/x", "f", "1"}, {"d/y", "f", "2"}, {"f", "f", "3"}, {"l", "l", "d"}}
	const untouched = "d d\nf d/x 1\nf d/y 2\nf f 3\nl l d"
	for name, test := range map[string]struct {
		layers [][]entry
		want   string
	}{
		"nothing":       {[][]entry{base, {}}, untouched},
		"replaced":      {[][]entry{base, {{"f", "x", "new"}}}, "d d\nf d/x 1\nf d/y 2\nx f new\nl l d"},
		"added":         {[][]entry{base, {{"d", "d", ""}, {"d/z", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d"},
		"no folder":     {[][]entry{base, {{"n/e/w", "f", "4"}}}, untouched + "\nd n\nd n/e\nf n/e/w 4"},
		"folder again":  {[][]entry{base, {{"d/", "d", ""}}}, untouched},
		"root":          {[][]entry{base, {{"./", "d", ""}, {".", "f", "x"}, {"/", "l", "/etc"}}}, untouched}, // of containerd
		"absolute":      {[][]entry{base, {{"/f", "f", "4"}, {"//d//x", "f", "5"}}}, "d d\nf d/x 5\nf d/y 2\nf f 4\nl l d"},
		"above":         {[][]entry{base, {{"../../f", "f", "4"}, {"a/../../g", "f", "5"}}}, "d d\nf d/x 1\nf d/y 2\nf f 4\nf g 5\nl l d"},
		"file folder":   {[][]entry{base, {{"f", "d", ""}, {"f/a", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nd f\nf f/a 4\nl l d"},
		"folder file":   {[][]entry{base, {{"d", "f", "4"}}}, "f d 4\nf f 3\nl l d"},
		"link folder":   {[][]entry{base, {{"l", "d", ""}, {"l/a", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nd l\nf l/a 4"},
		"folder link":   {[][]entry{base, {{"d", "l", "f"}}}, "l d f\nf f 3\nl l d"},
		"below a link":  {[][]entry{base, {{"l/a", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nd l\nf l/a 4"},
		"below a file":  {[][]entry{base, {{"f/a", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nd f\nf f/a 4\nl l d"},
		"one after one": {[][]entry{base, {{"f", "d", ""}}, {{"f", "f", "4"}}, {{"f", "l", "d"}}, {{"f", "d", ""}}}, "d d\nf d/x 1\nf d/y 2\nd f\nl l d"},

		"whiteout file":        {[][]entry{base, {{".wh.f", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nl l d"},
		"whiteout folder":      {[][]entry{base, {{".wh.d", "f", ""}}}, "f f 3\nl l d"},
		"whiteout link":        {[][]entry{base, {{".wh.l", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf f 3"},
		"whiteout below":       {[][]entry{base, {{"d", "d", ""}, {"d/.wh.x", "f", ""}}}, "d d\nf d/y 2\nf f 3\nl l d"},
		"whiteout of nothing":  {[][]entry{base, {{".wh.none", "f", ""}, {"d/.wh.none", "f", ""}}}, untouched},
		"whiteout then file":   {[][]entry{base, {{".wh.f", "f", ""}, {"f", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf f 4\nl l d"},
		"whiteout then folder": {[][]entry{base, {{".wh.d", "f", ""}, {"d", "d", ""}, {"d/z", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d"},
		"whiteout by a link":   {[][]entry{base, {{"l/.wh.x", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nd l"},
		"whiteout of device":   {[][]entry{base, {{"f", "c", "0,0"}, {"d/x", "c", "0,0"}}}, "d d\nf d/y 2\nl l d"},
		// Docker refuses a whiteout after what it names. The specification says that it has no
		// effect on its own layer.
		"file then whiteout":     {[][]entry{base, {{"f", "f", "4"}, {".wh.f", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf f 4\nl l d"},
		"folder then whiteout":   {[][]entry{base, {{"d", "d", ""}, {"d/z", "f", "4"}, {".wh.d", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d"},
		"empty then whiteout":    {[][]entry{base, {{"d", "d", ""}, {"d/.wh.x", "f", ""}, {".wh.d", "f", ""}}}, "d d\nf d/y 2\nf f 3\nl l d"},
		"implied then whiteout":  {[][]entry{base, {{"d/z", "f", "4"}, {".wh.d", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d"},
		"whiteout, then implied": {[][]entry{base, {{".wh.d", "f", ""}, {"d/z", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d"},
		"whiteout in a new file": {[][]entry{base, {{"d/.wh.x", "f", ""}, {"d", "f", "4"}}}, "f d 4\nf f 3\nl l d"},

		"opaque":            {[][]entry{base, {{"d", "d", ""}, {"d/.wh..wh..opq", "f", ""}, {"d/z", "f", "4"}}}, "d d\nf d/z 4\nf f 3\nl l d"},
		"opaque at the end": {[][]entry{base, {{"d", "d", ""}, {"d/z", "f", "4"}, {"d/.wh..wh..opq", "f", ""}}}, "d d\nf d/z 4\nf f 3\nl l d"},
		"opaque alone":      {[][]entry{base, {{"d/.wh..wh..opq", "f", ""}}}, "d d\nf f 3\nl l d"},
		"opaque again":      {[][]entry{base, {{"d", "d", ""}, {"d/x", "f", "4"}, {"d/.wh..wh..opq", "f", ""}}}, "d d\nf d/x 4\nf f 3\nl l d"},
		"opaque deep": {[][]entry{
			{{"a", "d", ""}, {"a/b", "d", ""}, {"a/b/c", "f", "1"}, {"a/e", "d", ""}, {"a/e/f", "f", "2"}, {"a/g", "d", ""}, {"a/g/h", "f", "3"}},
			{{"a/b/d", "f", "4"}, {"a/e", "d", ""}, {"a/.wh..wh..opq", "f", ""}},
		}, "d a\nd a/b\nf a/b/d 4\nd a/e"},
		"opaque of a lower layer": {[][]entry{base, {{"d/.wh..wh..opq", "f", ""}, {"d/z", "f", "4"}}, {{"d/x", "f", "5"}}}, "d d\nf d/x 5\nf d/z 4\nf f 3\nl l d"},

		// Docker keeps the folder of the files that hard links of AUFS lead to.
		"aufs": {[][]entry{base, {{".wh..wh.plnk", "d", ""}, {".wh..wh.plnk/1.2", "f", "4"}, {"q", "h", ".wh..wh.plnk/1.2"}, {".wh..wh.aufs", "f", ""}, {".wh..wh.orph/a", "f", ""}, {"d/.wh..wh.x", "f", ""}}},
			untouched + "\nf q 4"},

		"hard link":         {[][]entry{base, {{"a", "f", "4"}, {"b", "h", "a"}, {"c", "h", "/a"}}}, "f a 4\nf b 4\nf c 4\n" + untouched},
		"hard link to link": {[][]entry{base, {{"t", "f", "T"}, {"s", "l", "t"}, {"h", "h", "s"}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nl h t\nl l d\nl s t\nf t T"},
		"hard link twice":   {[][]entry{base, {{"a", "f", "4"}, {"b", "h", "a"}, {"b", "h", "a"}, {"a", "h", "a"}}}, "f a 4\nf b 4\n" + untouched},
		// Docker refuses hard links to lower layers, and containerd does with some snapshotters.
		"hard link across":          {[][]entry{base, {{"g", "h", "f"}, {"m", "h", "l"}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nf g 3\nl l d\nl m d"},
		"hard link across, removed": {[][]entry{base, {{"g", "h", "f"}, {".wh.f", "f", ""}}}, "d d\nf d/x 1\nf d/y 2\nf g 3\nl l d"},
		"hard link, replaced":       {[][]entry{{{"a", "f", "1"}, {"b", "h", "a"}}, {{"a", "f", "2"}}}, "f a 2\nf b 1"},
		"hard link replaces":        {[][]entry{base, {{"a", "f", "4"}, {"d", "h", "a"}}}, "f a 4\nf d 4\nf f 3\nl l d"},

		"devices": {[][]entry{base, {{"f", "p", ""}, {"d", "c", "1,3"}}}, "p d\np f\nl l d"},
		// Docker refuses two entries of one name.
		"twice":     {[][]entry{base, {{"a", "f", "4"}, {"a", "f", "5"}}}, "f a 5\n" + untouched},
		"twice, in": {[][]entry{base, {{"a", "f", "4"}, {"a", "d", ""}, {"a/b", "f", "5"}}}, "d a\nf a/b 5\n" + untouched},

		// Docker does not see lower layers when it follows a link of the same layer. The rest is
		// that of containerd.
		"through a link":       {[][]entry{base, {{"n", "l", "d"}, {"n/z", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d\nl n d"},
		"through a dangling":   {[][]entry{base, {{"n", "l", "a/b"}, {"n/z", "f", "4"}}}, "d a\nd a/b\nf a/b/z 4\n" + untouched + "\nl n a/b"},
		"through the root":     {[][]entry{base, {{"n", "l", "/"}, {"n/f", "f", "4"}, {"u", "l", "../../.."}, {"u/g", "f", "5"}}}, "d d\nf d/x 1\nf d/y 2\nf f 4\nf g 5\nl l d\nl n /\nl u ../../.."},
		"through two links":    {[][]entry{base, {{"n", "l", "m"}, {"m", "l", "l/k"}, {"n/z", "f", "4"}}}, "d d\nf d/x 1\nf d/y 2\nf f 3\nd l\nd l/k\nf l/k/z 4\nl m l/k\nl n m"},
		"link replaced within": {[][]entry{base, {{"n", "l", "d"}, {"n/z", "f", "4"}, {"n", "d", ""}, {"n/z", "f", "5"}}}, "d d\nf d/x 1\nf d/y 2\nf d/z 4\nf f 3\nl l d\nd n\nf n/z 5"},

		"names": {[][]entry{base, {{"new\nline", "f", "4"}, {"\xff", "f", "5"}, {" ", "f", "6"}, {".wh", "f", "7"}, {strings.Repeat("n", 255), "f", "8"}, {"d/...", "f", "9"}}},
			"f   6\nf .wh 7\nd d\nf d/... 9\nf d/x 1\nf d/y 2\nf f 3\nl l d\nf new\nline 4\nf " + strings.Repeat("n", 255) + " 8\nf \xff 5"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lay(t, imageOf(t, test.layers...), DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(test.want, "\n")
			if name != "names" { // lines contain line ends
				slices.Sort(want)
				lines := strings.Split(got, "\n")
				slices.Sort(lines)
				got, test.want = strings.Join(lines, "\n"), strings.Join(want, "\n")
			}
			if got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// What cannot be laid over a lower layer.
func TestApplyErrors(t *testing.T) {
	for name, test := range map[string]struct {
		entries []entry
		want    string
	}{
		"below a file":      {[]entry{{"a", "f", ""}, {"a/b", "f", ""}}, `entry "a/b": not a directory`},
		"hard link out":     {[]entry{{"h", "h", "../../../../etc/passwd"}}, `a hard link to "etc/passwd", which does not exist`},
		"hard link to none": {[]entry{{"h", "h", "h"}}, `a hard link to "h", which does not exist`},
		"hard link to root": {[]entry{{"h", "h", "/"}}, "a hard link to a folder"},
		"hard link to dir":  {[]entry{{"d", "d", ""}, {"h", "h", "d"}}, "a hard link to a folder"},
		"hard link within":  {[]entry{{"d/a", "f", ""}, {"d", "h", "d/a"}}, "which does not exist"},
		"whiteout":          {[]entry{{".wh.", "f", ""}}, "a whiteout without a name"},
		"whiteout dot":      {[]entry{{"d/.wh..", "f", ""}}, "a whiteout without a name"},
		"whiteout dots":     {[]entry{{"d/.wh...", "f", ""}}, "a whiteout without a name"},
		"opaque root":       {[]entry{{".wh..wh..opq", "f", ""}}, "an opaque whiteout of the root"},
		"loop":              {[]entry{{"a", "l", "b"}, {"b", "l", "a"}, {"a/c", "f", ""}}, "too many levels of symbolic links"},
		"own loop":          {[]entry{{"a", "l", "a/a"}, {"a/c", "f", ""}}, "too many levels of symbolic links"},
		"long name":         {[]entry{{strings.Repeat("n", 256), "f", ""}}, "file name too long"},
		"long whiteout":     {[]entry{{".wh." + strings.Repeat("n", 256), "f", ""}}, "file name too long"},
		"long path":         {[]entry{{strings.Repeat("n/", 2048) + "n", "f", ""}}, "file name too long"},
		"long link":         {[]entry{{"l", "l", strings.Repeat("n/", 2048)}}, "file name too long"},
		"empty link":        {[]entry{{"l", "l", ""}}, "a link to nothing"},
		"file and folder":   {[]entry{{"low", "f", ""}, {"low", "d", ""}}, `entry "low": the layer replaces a folder twice`},
		"link and folder":   {[]entry{{"low", "l", "z"}, {"other", "f", ""}, {"low/", "d", ""}}, "the layer replaces a folder twice"},
		"deep":              {[]entry{{strings.Repeat("n/", 600) + "n", "f", ""}}, "nested more than 512 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			wantBad(t, imageOf(t, []entry{{"z", "f", ""}, {"low/x", "f", ""}}, test.entries), 1, test.want)
		})
	}
}

// wantBad checks that an image fails by its own fault, in a layer.
func wantBad(t *testing.T, img Image, layer int, want string) {
	t.Helper()
	dir := t.TempDir()
	_, err := Inspect(t.Context(), dir, img, DefaultLimits())
	bad, ok := errors.AsType[*Error](err)
	if !ok || bad.Layer != layer || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %#v, %v; want %q in layer %d", err, err, want, layer)
	}
	wantEmpty(t, dir)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
