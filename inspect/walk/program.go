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

// minProgram is the size in bytes below which a file is no program that holds
// anything for a reader; the smallest of Go has a megabyte, of Rust 300 KB.
const minProgram = 8 << 10

// headSize is how much of a file is read to see whether it is a program: enough
// for the reader of one to find its header and its segments there.
const headSize = 1 << 10

// program gives the file name in d to the rule for programs if it is one. One that
// is called or lies as data is a program only if somebody may run it.
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
		// What cannot be run and not be opened is a program to nobody.
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

// mayBeArchive reports whether a file that may be run can be an executable jar: a
// script with a zip archive behind it, or the archive alone.
func mayBeArchive(head []byte) bool {
	return bytes.HasPrefix(head, []byte("#!")) || bytes.HasPrefix(head, []byte("PK\x03\x04"))
}

// dataNames returns the endings of files that are data: texts, images and archives,
// nine in ten of all files of a large tree; and whole names without an ending. Such
// a file is a program only if it may be run, and asking each for that would cost as
// much as the whole walk does. So those that come in bulk, for which the value is
// true, are not asked in the folders of isBulkDir.
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

// isDataDir reports whether a directory of that name holds data, in a thousand files
// whose names have no ending.
func isDataDir(name string) bool { return name == "zoneinfo" || name == "terminfo" }

// isTerminal reports whether the file name in d is the description of a terminal,
// terminfo/x/xterm or terminfo/78/xterm: they come in bulk.
func (d *dir) isTerminal(name []byte) bool {
	if d.parent == nil || d.parent.name != "terminfo" {
		return false
	}
	return len(d.name) == 1 && name[0] == d.name[0] || d.name == fmt.Sprintf("%x", name[0])
}

// isBulkDir reports whether a directory of that name is one in which packages have
// their data, sources and documentation by the ten thousand.
func isBulkDir(name string) bool {
	switch name {
	case "share", "include", "lib", "lib64", "libexec", "node_modules", "site-packages", "dist-packages",
		"src", "test", "tests", "doc", "docs", "man", "locale", "gems", "pkg", "vendor", "info":
		return true
	}
	return false
}

// isProgramDir reports whether a directory of that name is where packages have
// their programs.
func isProgramDir(name string) bool { return name == "bin" || name == "sbin" || name == ".bin" }
