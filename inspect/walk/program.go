package walk

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"assay/inspect/elf"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
)

// minProgram is the size in bytes below which a file is not read as a program. The
// smallest Go programs have about a megabyte, the smallest Rust programs 300 KB.
const minProgram = 8 << 10

// headSize is how many bytes are read to find out whether a file is a program. They are
// enough for the reader of a program to find the header and the segments in them.
const headSize = 1 << 10

// program gives the file name in d to the rule for programs if it is a program. A file
// with the name of a data file, or in a folder of data, is one only if it is
// executable.
func (w *walker) program(d *dir, name string, data bool, buf buffers) {
	rule := w.names.programs
	info, err := d.fd.Info(name)
	if err == nil && (info.Size < minProgram || data && !info.Executable) || gone(err) {
		return
	}
	path := d.join(name)
	if err != nil {
		w.visitor.FileFailed(rule, inventory.Text(path), err)
		return
	}
	f, opened, err := d.fd.OpenListedBegin(name, path, w.names.rules[rule].Limit, buf.head, func(head []byte) bool {
		return isProgram(head) || info.Executable && mayBeArchive(head)
	})
	switch {
	case err != nil:
		// A file that can be neither executed nor opened is not a program.
		if (opened || info.Executable) && !gone(err) && !errors.Is(err, rootfs.ErrNotRegular) {
			w.visitor.FileFailed(rule, inventory.Text(path), err)
		}
	case f != nil:
		if !w.exclude[f.ID()] {
			w.visitor.File(rule, f)
		}
		f.Close()
	}
}

func isProgram(head []byte) bool { return bytes.HasPrefix(head, []byte(elf.Magic)) }

// mayBeArchive reports whether an executable file can be an executable jar: a zip
// archive, or a script followed by one.
func mayBeArchive(head []byte) bool {
	return bytes.HasPrefix(head, []byte("#!")) || bytes.HasPrefix(head, []byte("PK\x03\x04"))
}

// dataNames returns the extensions of data files (text, images, archives) and whole
// names without an extension. Nine in ten files of a large tree have such a name. A
// data file is a program only if it is executable, and checking that for each would
// take as long as the rest of the walk. Those with the value true, of which there are
// very many, are therefore not checked in the folders of isBulkDir.
func dataNames() map[string]bool {
	const bulk = `
		.a .adoc .bc .bmp .bz2 .c .cc .cjs .class .cmake .conffiles .cpp .crt .css .csv .cts .cxx .dtd
		.eot .erb .eslintrc .flow .gif .go .gz .h .hpp .hs .htm .html .ico .inc .inl .ipp .java .jmod
		.jpeg .jpg .js .json .jsx .less .list .lua .map .markdown .md .md5sums .mdx .mjs .mo .mod .mts
		.npy .npz .otf .pas .patch .pdf .php .pl .pm .png .po .pod .pom .properties .proto .pxd .py
		.pyc .pyi .pyx .rb .rbs .rlib .rs .rst .sass .scss .shlibs .sql .sum .svg .symbols .tcc .tcl
		.templates .tex .tmpl .toml .triggers .ts .tsx .ttf .twig .txt .vim .vue .webp .woff .woff2
		.xlf .xml .xsd .xsl .yaml .yml
		copyright`
	const others = `
		.awk .cfg .cnf .conf .dat .db .deb .gpg .ini .jar .key .lock .log .pem .rpm .service .sh .tar
		.tgz .war .wasm .whl .xz .zip .zst`
	data := map[string]bool{}
	for _, name := range strings.Fields(bulk) {
		data[name] = true
	}
	for _, name := range strings.Fields(others) {
		data[name] = false
	}
	return data
}

// isDataDir reports whether a directory of this name contains data files whose names
// have no extension.
func isDataDir(name string) bool { return name == "zoneinfo" || name == "terminfo" }

// isTerminal reports whether the file name in d is a terminal description,
// terminfo/x/xterm or terminfo/78/xterm, of which there are very many.
func (d *dir) isTerminal(name []byte) bool {
	if d.parent == nil || d.parent.name != "terminfo" {
		return false
	}
	return len(d.name) == 1 && name[0] == d.name[0] || d.name == fmt.Sprintf("%x", name[0])
}

// isBulkDir reports whether packages install large numbers of data, source and
// documentation files in a directory of this name.
func isBulkDir(name string) bool {
	switch name {
	case "share", "include", "lib", "lib64", "libexec", "node_modules", "site-packages", "dist-packages",
		"src", "test", "tests", "doc", "docs", "man", "locale", "gems", "pkg", "vendor", "info":
		return true
	}
	return false
}

// isProgramDir reports whether packages install programs in a directory of this name.
func isProgramDir(name string) bool { return name == "bin" || name == "sbin" || name == ".bin" }
