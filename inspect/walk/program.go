package walk

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// minProgram is the size in bytes below which a file is no program that holds
// anything for a reader; the smallest of Go has a megabyte, of Rust 300 KB.
const minProgram = 8 << 10

// headSize is how much of a file is read to see whether it is a program: enough
// for the reader of one to find its header and its segments there.
const headSize = 1 << 10

// program gives the file name in d to the rule for programs if it is one.
func (w *walker) program(d *dir, name string, buf buffers) {
	rule := w.names.programs
	info, err := d.fd.Info(name)
	if err == nil && info.Size < minProgram || gone(err) {
		return
	}
	path := d.join(name)
	if err != nil {
		w.visitor.FileFailed(rule, inventory.Text(path), err)
		return
	}
	f, err := d.fd.OpenListedFile(name, path, w.names.rules[rule].Limit)
	if err != nil {
		// What cannot be run and not be read is a program to nobody.
		if info.Executable && !gone(err) {
			w.visitor.FileFailed(rule, inventory.Text(path), err)
		}
		return
	}
	defer f.Close()
	head, err := f.Peek(buf.head)
	switch {
	case w.exclude[f.ID()]:
	case bytes.HasPrefix(head, []byte(elf.Magic)):
		w.visitor.File(rule, f)
	case err != nil && !errors.Is(err, io.EOF):
		w.visitor.FileFailed(rule, inventory.Text(path), err)
	}
}

// dataNames returns the endings of files that are no programs: texts, images and
// archives, nine in ten of all files of a large tree; and whole names without an
// ending. Asking each of the others for its size is what the search for programs
// costs.
func dataNames() map[string]bool {
	const names = `
		.a .adoc .awk .bc .bmp .bz2 .c .cc .cfg .cjs .class .cmake .cnf .conf .conffiles .cpp .crt
		.css .csv .cts .cxx .dat .db .deb .dtd .eot .erb .eslintrc .flow .gif .go .gpg .gz .h .hpp
		.hs .htm .html .ico .inc .inl .ini .ipp .jar .java .jmod .jpeg .jpg .js .json .jsx .key
		.less .list .lock .log .lua .map .markdown .md .md5sums .mdx .mjs .mo .mod .mts .npz .npy
		.otf .pas .patch .pdf .pem .php .pl .pm .png .po .pod .pom .properties .proto .pxd .pxi
		.py .pyc .pyi .pyx .rb .rbs .rlib .rpm .rs .rst .sass .scss .service .sh .shlibs .sql .sum
		.svg .symbols .tar .tcc .tcl .templates .tex .tgz .tmpl .toml .triggers .ts .tsx .ttf
		.twig .txt .vim .vue .war .wasm .webp .whl .woff .woff2 .xlf .xml .xsd .xsl .xz .yaml .yml
		.zip .zst
		copyright`
	data := map[string]bool{}
	for _, name := range strings.Fields(names) {
		data[name] = true
	}
	return data
}

// isDataDir reports whether a directory of that name holds data below which nothing
// is a program, in a thousand files whose names have no ending.
func isDataDir(name string) bool { return name == "zoneinfo" || name == "terminfo" }
