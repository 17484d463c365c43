package inspect

import (
	"iter"
	"slices"

	"assay/inspect/app/bitnami"
	"assay/inspect/app/drupal"
	"assay/inspect/app/program"
	"assay/inspect/app/wordpress"
	"assay/inspect/distro/apk"
	"assay/inspect/distro/chisel"
	"assay/inspect/distro/dpkg"
	"assay/inspect/distro/pacman"
	"assay/inspect/distro/redhat"
	"assay/inspect/distro/rpm"
	"assay/inspect/distro/unsupported"
	"assay/inspect/inventory"
	"assay/inspect/lang/dotnet"
	"assay/inspect/lang/java"
	"assay/inspect/lang/node"
	"assay/inspect/lang/php"
	"assay/inspect/lang/python"
	"assay/inspect/lang/r"
	"assay/inspect/lang/ruby"
	"assay/inspect/rootfs"
)

// readers returns all readers. A new format is added to one of these lists.
func readers() []reader { return slices.Concat(distributions(), languages(), applications()) }

// distributions returns the readers of operating system databases.
func distributions() []reader {
	return []reader{
		{
			files:   dpkg.StatusFiles(),
			updates: dpkg.UpdatesDir,
			inDir:   dpkg.IsUpdate,
			limit:   dpkg.Limit,
			kind:    inventory.KindDatabase,
			updated: func(f *rootfs.File, updates iter.Seq[*rootfs.File]) ([]inventory.Package, error) {
				return dpkg.ReadStatus(f, f.Path(), func(yield func(dpkg.Update) bool) {
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
			kind:  inventory.KindDatabase,
			read:  stream(dpkg.ReadStanza),
		},
		{
			files: chisel.ManifestFiles(),
			limit: chisel.Limit,
			kind:  inventory.KindDatabase,
			read:  stream(chisel.ReadManifest),
		},
		{
			files: apk.InstalledFiles(),
			limit: apk.Limit,
			kind:  inventory.KindDatabase,
			read:  stream(apk.ReadInstalled),
		},
		{
			files: rpm.BDBFiles(),
			limit: rpm.Limit,
			kind:  inventory.KindDatabase,
			read: func(f, _ *rootfs.File) ([]inventory.Package, error) {
				return rpm.Packages(rpm.BDB(f, f.Size()), f.Path())
			},
		},
		{
			files: rpm.NDBFiles(),
			limit: rpm.Limit,
			kind:  inventory.KindDatabase,
			read: func(f, _ *rootfs.File) ([]inventory.Package, error) {
				return rpm.Packages(rpm.NDB(f, f.Size()), f.Path())
			},
		},
		{
			files:   rpm.SQLiteFiles(),
			sibling: rpm.WAL,
			journal: rpm.Journal,
			limit:   rpm.Limit,
			kind:    inventory.KindDatabase,
			read: func(f, wal *rootfs.File) ([]inventory.Package, error) {
				log, size := wal.Content()
				return rpm.Packages(rpm.SQLite(f, f.Size(), log, size), f.Path())
			},
		},
		{
			files: rpm.ManifestFiles(),
			limit: rpm.ManifestLimit,
			kind:  inventory.KindDatabase,
			read:  stream(rpm.ReadManifest),
		},
		{
			bases: pacman.Bases(),
			wants: pacman.Wants,
			limit: pacman.Limit,
			kind:  inventory.KindDatabase,
			read:  stream(pacman.Read),
		},
		{
			files: unsupported.Files(),
			limit: unsupported.Limit,
			kind:  inventory.KindDatabase,
			read:  stream(unsupported.Read),
		},
		{
			files:       redhat.ManifestFiles(),
			dirs:        redhat.ManifestDirs(),
			inDir:       redhat.IsManifest,
			limit:       redhat.Limit,
			kind:        inventory.KindFile,
			contentSets: redhat.ReadContentSets,
		},
	}
}

// languages returns the readers of what package managers of languages install. Each
// file is read on its own.
func languages() []reader {
	return []reader{
		{
			bases:   python.MetadataBases(),
			exts:    python.MetadataExts(),
			wants:   python.WantsMetadata,
			context: python.InContext,
			probes:  []string{"x-1.dist-info/METADATA", "x-1.egg-info", "x.dist-info/METADATA", "METADATA", "PKG-INFO"},
			limit:   python.Limit,
			kind:    inventory.KindFile,
			read:    stream(python.ReadMetadata),
		},
		{
			exts:   python.EggExts(),
			wants:  python.WantsEgg,
			probes: []string{"x-1.egg"},
			limit:  python.EggLimit,
			kind:   inventory.KindFile,
			read:   archive(python.ReadEgg),
		},
		{
			exts:   python.CondaExts(),
			wants:  python.WantsConda,
			probes: []string{"conda-meta/x.json", "x.json"},
			limit:  python.CondaLimit,
			kind:   inventory.KindFile,
			read:   stream(python.ReadConda),
		},
		{
			bases:   node.Bases(),
			wants:   node.Wants,
			context: node.InContext,
			probes:  []string{"node_modules/x/package.json", "x/package.json", "package.json", "yarn/9/.corepack", "9/.corepack", ".corepack"},
			limit:   node.Limit,
			kind:    inventory.KindFile,
			read:    stream(node.Read),
		},
		{
			exts:    java.Exts(),
			wants:   java.Wants,
			context: java.InContext,
			probes:  []string{"x.jar"},
			limit:   java.Limit,
			kind:    inventory.KindFile,
			read:    archive(java.Read),
		},
		{
			exts:    ruby.Exts(),
			wants:   ruby.Wants,
			context: ruby.InContext,
			probes:  []string{"specifications/x-1.gemspec", "x-1.gemspec", "x.gemspec", "x-1/x.gemspec", "gems/x-1/x.gemspec"},
			limit:   ruby.Limit,
			kind:    inventory.KindFile,
			read:    stream(ruby.Read),
		},
		{
			bases:   php.ComposerBases(),
			wants:   php.WantsComposer,
			context: php.InContext,
			probes:  []string{"composer/installed.json", "installed.json"},
			limit:   php.Limit,
			kind:    inventory.KindFile,
			read:    stream(php.ReadComposer),
		},
		{
			exts:   php.PEARExts(),
			wants:  php.WantsPEAR,
			probes: []string{".registry/x.reg", "x.reg"},
			limit:  php.Limit,
			kind:   inventory.KindFile,
			read:   stream(php.ReadPEAR),
		},
		{
			exts:    dotnet.Exts(),
			wants:   dotnet.Wants,
			context: dotnet.InContext,
			probes:  []string{"x.deps.json"},
			limit:   dotnet.Limit,
			kind:    inventory.KindFile,
			read:    stream(dotnet.Read),
		},
		{
			bases:  r.Bases(),
			wants:  r.Wants,
			probes: []string{"x/DESCRIPTION"},
			limit:  r.Limit,
			kind:   inventory.KindFile,
			read:   stream(r.Read),
		},
		{
			programs: true,
			limit:    maxProgram,
			kind:     inventory.KindFile,
			read:     programReader(),
		},
	}
}

// applications returns the readers of applications that no package manager has recorded.
func applications() []reader {
	return []reader{
		{
			bases:   java.JenkinsBases(),
			wants:   java.WantsJenkins,
			context: java.JenkinsInContext,
			probes:  []string{"x/META-INF/MANIFEST.MF", "META-INF/MANIFEST.MF", "plugins/x/META-INF/MANIFEST.MF"},
			limit:   java.JenkinsLimit,
			kind:    inventory.KindFile,
			read:    stream(java.ReadJenkins),
		},
		{
			bases: drupal.Bases(),
			wants: drupal.WantsCore,
			limit: drupal.Limit,
			kind:  inventory.KindFile,
			read:  stream(drupal.ReadCore),
		},
		{
			exts:    drupal.Exts(),
			wants:   drupal.WantsInfo,
			context: drupal.InContext,
			probes:  []string{"x.info.yml", "x/x.info.yml", "modules/x.info.yml"},
			limit:   drupal.Limit,
			kind:    inventory.KindFile,
			read:    stream(drupal.ReadInfo),
		},
		{
			bases: bitnami.Bases(),
			exts:  bitnami.Exts(),
			wants: bitnami.Wants,
			limit: bitnami.Limit,
			kind:  inventory.KindFile,
			read:  stream(bitnami.Read),
		},
		{
			bases:   wordpress.Bases(),
			wants:   wordpress.Wants,
			context: wordpress.InContext,
			probes: []string{
				"version.php", "wp-includes/version.php",
				"style.css", "x/style.css", "themes/x/style.css", "wp-content/themes/x/style.css",
			},
			limit: wordpress.Limit,
			kind:  inventory.KindFile,
			read:  stream(wordpress.Read),
		},
		{
			bases: program.Bases(),
			wants: program.Wants,
			limit: program.Limit,
			kind:  inventory.KindFile,
			read:  stream(program.ReadVersion),
		},
		{
			exts:    wordpress.Exts(),
			folders: wordpress.Folders(),
			wants:   wordpress.WantsPlugin,
			probes:  []string{"x.php", "x/x.php", "plugins/x.php", "plugins/x/x.php", "wp-content/plugins/x.php", "wp-content/mu-plugins/x.php"},
			limit:   wordpress.Limit,
			kind:    inventory.KindFile,
			read:    stream(wordpress.ReadPlugin),
		},
	}
}
