package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"assay/check/testkit/fixture"
	"assay/inspect/distro/apk"
	"assay/inspect/distro/chisel"
	"assay/inspect/distro/dpkg"
	"assay/inspect/distro/redhat"
	"assay/inspect/distro/rpm"
	"assay/inspect/elf"
	"assay/inspect/inventory"
	"assay/inspect/lang/dotnet"
	"assay/inspect/lang/golang"
	"assay/inspect/lang/java"
	"assay/inspect/lang/node"
	"assay/inspect/lang/php"
	"assay/inspect/lang/python"
	"assay/inspect/lang/r"
	"assay/inspect/lang/ruby"
	"assay/inspect/lang/rust"
	"assay/inspect/rootfs"
)

// A reader turns the files of one format into packages. Each file that it wants
// is opened once, given to it, and closed when it returns.
type reader struct {
	// files and dirs are fixed paths relative to the root, where a system keeps
	// its database. They are found through links inside the root, as the
	// system's own tools find them. Of each of dirs all files are wanted whose
	// name inDir accepts.
	files []string
	dirs  []string
	inDir func(name string) bool
	// sibling, unless it is empty, is what the path of a second file ends in that
	// belongs to each of files, and is read together with it.
	sibling string
	// journal, unless it is empty, is what the path of a file ends in that, as long as
	// it is not empty, makes each of files another than it is.
	journal string
	// updates, unless it is empty, is the name of a folder beside each of files: the
	// files in it that inDir accepts are read together with it, in the order of their
	// names.
	updates string
	// bases and exts are file names and endings (".jar") that are wanted wherever
	// they are in the tree.
	bases []string
	exts  []string
	// wants, unless it is nil, says of the path of such a file whether it is one.
	wants func(path string) bool
	// probes are paths below a folder by which wants is asked whether it wants more
	// in one place than in another. One is wanted in any folder, the others in those
	// that inContext tells.
	probes []string
	// programs wants the programs and libraries in the tree, and the executable
	// scripts and archives.
	programs bool

	limit int64         // bytes of a file that may be read
	gap   inventory.Gap // what is missing when a file could not be read

	// read returns the packages of a file. Each has an evidence, and the path of
	// the first is the file's: that is how the package of the operating system is
	// found which the file belongs to. Those that come with an error are kept.
	// sibling is nil where there is none.
	read func(f, sibling *rootfs.File) ([]inventory.Package, error)
	// updated is read for readers that have updates.
	updated func(f *rootfs.File, updates iter.Seq[*rootfs.File]) ([]inventory.Package, error)
	// contentSets, of readers that have no read, returns the repositories that all
	// packages of rpm came from.
	contentSets func(io.Reader) ([]string, error)
}

// readers is the one list of all formats.
func readers() []reader { return append(distributions(), languages()...) }

// inContext reports whether a folder of this name may decide what one of languages
// wants below it, in either direction. Links are followed for its sake.
func inContext(name string) bool {
	switch name {
	case "node_modules", "nodejs",
		"site-packages", "dist-packages", "conda-meta", "pkgs", "EGG-INFO", "egg-info",
		"specifications", "bundler", "gems", "default",
		"composer", ".registry",
		"test", "tests", "_vendor", "_vendored", ".eggs", ".cache", "CopyPipInstall", "SymlinkPipInstall",
		".m2", ".gradle", ".ivy2", ".sbt", ".nuget", "mod", "testFixtures", "doc":
		return true
	}
	for _, begin := range [...]string{"node_modules_", "archive-v", "bdist.", "yarn-v", "npm-"} {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return strings.HasSuffix(name, "-info") || strings.HasSuffix(name, ".egg") || fixture.In(name)
}

// distributions read the databases of operating systems.
func distributions() []reader {
	return []reader{
		{
			files:   dpkg.StatusFiles(),
			updates: dpkg.UpdatesDir,
			inDir:   dpkg.IsUpdate,
			limit:   dpkg.Limit,
			gap:     inventory.GapDatabase,
			updated: func(f *rootfs.File, updates iter.Seq[*rootfs.File]) ([]inventory.Package, error) {
				return dpkg.ReadUpdated(f, f.Path(), func(yield func(dpkg.Update) bool) {
					for u := range updates {
						if !yield(dpkg.Update{Path: u.Path(), Content: u}) {
							return
						}
					}
				})
			},
		},
		{
			dirs:  dpkg.StatusDirs(),
			inDir: dpkg.IsStanzaFile,
			limit: dpkg.Limit,
			gap:   inventory.GapDatabase,
			read:  stream(dpkg.ReadStanza),
		},
		{
			files: chisel.ManifestFiles(),
			limit: chisel.Limit,
			gap:   inventory.GapDatabase,
			read:  stream(chisel.ReadManifest),
		},
		{
			files: apk.InstalledFiles(),
			limit: apk.Limit,
			gap:   inventory.GapDatabase,
			read:  stream(apk.ReadInstalled),
		},
		{
			files: rpm.BDBFiles(),
			limit: rpm.Limit,
			gap:   inventory.GapDatabase,
			read: func(f, _ *rootfs.File) ([]inventory.Package, error) {
				return rpm.Packages(rpm.BDB(f, f.Size()), f.Path())
			},
		},
		{
			files: rpm.NDBFiles(),
			limit: rpm.Limit,
			gap:   inventory.GapDatabase,
			read: func(f, _ *rootfs.File) ([]inventory.Package, error) {
				return rpm.Packages(rpm.NDB(f, f.Size()), f.Path())
			},
		},
		{
			files:   rpm.SQLiteFiles(),
			sibling: rpm.WAL,
			journal: rpm.Journal,
			limit:   rpm.Limit,
			gap:     inventory.GapDatabase,
			read: func(f, wal *rootfs.File) ([]inventory.Package, error) {
				log, size := wal.Content()
				return rpm.Packages(rpm.SQLite(f, f.Size(), log, size), f.Path())
			},
		},
		{
			files: rpm.ManifestFiles(),
			limit: rpm.ManifestLimit,
			gap:   inventory.GapDatabase,
			read:  stream(rpm.ReadManifest),
		},
		{
			files:       redhat.ManifestFiles(),
			dirs:        redhat.ManifestDirs(),
			inDir:       redhat.IsManifest,
			limit:       redhat.Limit,
			gap:         inventory.GapFile,
			contentSets: redhat.ReadContentSets,
		},
	}
}

// languages read what the package managers of languages left, each file by itself.
func languages() []reader {
	return []reader{
		{
			bases:  python.MetadataBases(),
			exts:   python.MetadataExts(),
			wants:  python.WantsMetadata,
			probes: []string{"x-1.dist-info/METADATA", "x-1.egg-info", "x.dist-info/METADATA", "METADATA", "PKG-INFO"},
			limit:  python.Limit,
			gap:    inventory.GapFile,
			read:   stream(python.ReadMetadata),
		},
		{
			exts:   python.EggExts(),
			wants:  python.WantsEgg,
			probes: []string{"x-1.egg"},
			limit:  python.EggLimit,
			gap:    inventory.GapFile,
			read:   archive(python.ReadEgg),
		},
		{
			exts:   python.CondaExts(),
			wants:  python.WantsConda,
			probes: []string{"conda-meta/x.json", "x.json"},
			limit:  python.CondaLimit,
			gap:    inventory.GapFile,
			read:   stream(python.ReadConda),
		},
		{
			bases:  node.Bases(),
			wants:  node.Wants,
			probes: []string{"node_modules/x/package.json", "x/package.json", "package.json"},
			limit:  node.Limit,
			gap:    inventory.GapFile,
			read:   stream(node.Read),
		},
		{
			exts:   java.Exts(),
			wants:  java.Wants,
			probes: []string{"x.jar"},
			limit:  java.Limit,
			gap:    inventory.GapFile,
			read:   archive(java.Read),
		},
		{
			exts:   ruby.Exts(),
			wants:  ruby.Wants,
			probes: []string{"specifications/x-1.gemspec", "x-1.gemspec", "x.gemspec", "x-1/x.gemspec", "gems/x-1/x.gemspec"},
			limit:  ruby.Limit,
			gap:    inventory.GapFile,
			read:   stream(ruby.Read),
		},
		{
			bases:  php.ComposerBases(),
			wants:  php.WantsComposer,
			probes: []string{"composer/installed.json", "installed.json"},
			limit:  php.Limit,
			gap:    inventory.GapFile,
			read:   stream(php.ReadComposer),
		},
		{
			exts:   php.PEARExts(),
			wants:  php.WantsPEAR,
			probes: []string{".registry/x.reg", "x.reg"},
			limit:  php.Limit,
			gap:    inventory.GapFile,
			read:   stream(php.ReadPEAR),
		},
		{
			exts:   dotnet.Exts(),
			wants:  dotnet.Wants,
			probes: []string{"x.deps.json"},
			limit:  dotnet.Limit,
			gap:    inventory.GapFile,
			read:   stream(dotnet.Read),
		},
		{
			bases:  r.Bases(),
			wants:  r.Wants,
			probes: []string{"x/DESCRIPTION"},
			limit:  r.Limit,
			gap:    inventory.GapFile,
			read:   stream(r.Read),
		},
		{
			programs: true,
			limit:    maxProgram,
			gap:      inventory.GapFile,
			read:     programReader(),
		},
	}
}

// maxProgram is how large a program may be; little of it is read.
const maxProgram = 4 << 30

// programReader reads what the toolchains of Go and Rust left in a program, and
// executable jars.
func programReader() func(f, _ *rootfs.File) ([]inventory.Package, error) {
	sections := append(golang.Sections(), rust.Section)
	return func(f, _ *rootfs.File) ([]inventory.Package, error) { return readProgram(f, sections) }
}

func readProgram(f *rootfs.File, sections []string) ([]inventory.Package, error) {
	program, err := elf.Open(f, f.Size(), sections...)
	if errors.Is(err, elf.ErrNotProgram) {
		if !java.Wants(f.Path()) {
			return nil, nil
		}
		return java.ReadExecutable(f, f.Size(), f.Path())
	}
	if err != nil {
		return nil, fmt.Errorf("elf: %w", err)
	}
	packages, err := golang.Read(program, f.Path())
	crates, rustErr := rust.Read(program, f.Path())
	return append(packages, crates...), cmp.Or(err, rustErr)
}

// stream adapts a reader that goes through a file once, from the beginning.
func stream(read func(io.Reader, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Path())
	}
}

// archive adapts a reader that reads a file at any place.
func archive(read func(io.ReaderAt, int64, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Size(), f.Path())
	}
}
