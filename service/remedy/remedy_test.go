package remedy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/match"
	"assay/service/remedy"
	"assay/verdict"
)

// finding returns a failing finding in a package.
func finding(typ, name, version, fixed string, paths ...string) match.Finding {
	return match.Finding{
		Match:   &match.Match{Finding: verdict.Finding{ID: "CVE-2024-1", Fixed: fixed, Severity: verdict.High}},
		Package: &verdict.Package{Type: typ, Name: name, Version: version, Paths: paths},
		Fails:   true, Rule: verdict.RuleSeverity,
	}
}

// installed returns an inventory of packages given as "type name path".
func installed(packages ...string) inventory.Inventory {
	var inv inventory.Inventory
	for _, text := range packages {
		f := append(strings.Fields(text), "")
		p := inventory.Package{Type: f[0], Name: strings.TrimSuffix(f[1], "!"), Version: "1.0", Held: strings.HasSuffix(f[1], "!")}
		if f[2] != "" {
			p.Evidence = []inventory.Evidence{{Path: f[2]}}
		}
		inv.Packages = append(inv.Packages, p)
	}
	return inv
}

// shown writes remedies as "action: text: command".
func shown(all []verdict.Remedy) string {
	var lines []string
	for _, r := range all {
		line := r.Action + ": " + r.Text
		if r.Command != "" {
			line += ": " + r.Command
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

const (
	before = "add to the Dockerfile before the scan, or --pull a newer base image: "
	pip    = "upgrade: add to the Dockerfile after the packages are installed, or raise in the requirements: "
)

func TestOf(t *testing.T) {
	many := func(n int) (all []match.Finding) {
		for i := range n {
			all = append(all, finding("deb", fmt.Sprintf("lib%c", 'a'+i), "1", "2"))
		}
		return all
	}
	paid := finding("deb", "perl", "1", "")
	paid.Match.Subscription = "Ubuntu Pro"
	bad := finding("npm", "evil", "1.0.0", "", "srv/node_modules/evil/package.json")
	bad.Match.Malicious = true
	passes := finding("deb", "zlib1g", "1", "2")
	passes.Fails = false
	npm := "npm npm usr/local/lib/node_modules/npm/package.json"
	site := "usr/local/lib/python3.12/site-packages/"
	dist := "usr/local/lib/python3.11/dist-packages/"

	for _, tt := range []struct {
		name     string
		in       inventory.Inventory
		system   verdict.System
		findings []match.Finding
		want     string
	}{
		{"nothing fails", installed("deb apt"), verdict.System{}, []match.Finding{passes}, ""},
		{"apt", installed("deb apt"), verdict.System{}, []match.Finding{finding("deb", "libssl3", "1", "2"), finding("deb", "curl", "1", "2"), passes},
			"upgrade: " + before + "RUN apt-get update && apt-get install -y --only-upgrade curl libssl3"},
		{"many", installed("deb apt"), verdict.System{}, many(9), "upgrade: " + before + "RUN apt-get update && apt-get -y --with-new-pkgs upgrade"},
		{"held", installed("deb apt", "deb curl!"), verdict.System{}, []match.Finding{finding("deb", "libssl3", "1", "2"), finding("deb", "curl", "1", "2")},
			"upgrade: " + before + "RUN apt-get update && apt-get install -y --only-upgrade --allow-change-held-packages curl libssl3"},
		{"many, one held", installed("deb apt", "deb liba!"), verdict.System{}, many(9), "upgrade: " + before +
			"RUN apt-get update && apt-get -y --with-new-pkgs upgrade && apt-get install -y --only-upgrade --allow-change-held-packages liba"},
		{"no apt", installed("deb libc6"), verdict.System{}, many(1), "base: use a newer base image: this one has no package manager that could upgrade it"},
		{"no repository", installed("deb apt"), verdict.System{Repositories: &verdict.Repositories{}}, many(1),
			"base: use a newer base image: this one has no package repository with the fixes"},
		{"another repository", installed("deb apt"), verdict.System{Repositories: &verdict.Repositories{Missing: "bookworm-security", Add: "deb http://h/ bookworm-security main"}}, many(1),
			"upgrade: add to the Dockerfile before the scan (apt-get has no source bookworm-security here): " +
				"RUN echo 'deb http://h/ bookworm-security main' >>/etc/apt/sources.list && apt-get update && apt-get install -y --only-upgrade liba"},
		{"unsafe repository", installed("deb apt"), verdict.System{Repositories: &verdict.Repositories{Missing: "x", Add: "deb $(reboot)"}}, many(1),
			"base: use a newer base image: this one has no package repository with the fixes"},
		{"end of life", installed("deb apt"), verdict.System{Ended: true}, many(1), "base: use a base image of a newer release: this one gets no more security updates"},
		{"apk", installed("apk apk-tools"), verdict.System{}, []match.Finding{finding("apk", "libcrypto3", "1", "2")}, "upgrade: " + before + "RUN apk --no-cache upgrade"},
		{"dnf", installed("rpm dnf", "rpm yum"), verdict.System{}, []match.Finding{finding("rpm", "openssl-libs", "1", "2")}, "upgrade: " + before + "RUN dnf -y upgrade openssl-libs"},
		{"microdnf", installed("rpm microdnf"), verdict.System{}, []match.Finding{finding("rpm", "glibc", "1", "2")}, "upgrade: " + before + "RUN microdnf -y update glibc"},
		{"yum", installed("rpm yum"), verdict.System{}, []match.Finding{finding("rpm", "glibc", "1", "2")}, "upgrade: " + before + "RUN yum -y update glibc"},
		{"zypper", installed("rpm zypper"), verdict.System{}, []match.Finding{finding("rpm", "libopenssl1_1", "1", "2")}, "upgrade: " + before + "RUN zypper --non-interactive update libopenssl1_1"},
		{"ubi-micro", installed("rpm glibc"), verdict.System{}, []match.Finding{finding("rpm", "glibc", "1", "2")}, "base: use a newer base image: this one has no package manager that could upgrade it"},
		{"a strange name", installed("deb apt"), verdict.System{}, []match.Finding{finding("deb", "$(reboot)", "1", "2")}, "upgrade: " + before + "RUN apt-get update && apt-get -y --with-new-pkgs upgrade"},

		{"a project of npm", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "minimist", "1.2.5", "1.2.6", "srv/app/node_modules/mkdirp/node_modules/minimist/package.json"),
			finding("npm", "@babel/traverse", "7.1.0", "7.23.2", "srv/app/node_modules/@babel/traverse/package.json"),
		}, "upgrade: in the project of /srv/app: npm update minimist @babel/traverse"},
		{"a fix beyond the range of a project", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "jquery", "2.2.4", "3.0.0", "app/node_modules/jquery/package.json"),
			finding("npm", "mixin-deep", "1.3.1", "1.3.2", "app/node_modules/mixin-deep/package.json"),
			finding("npm", "ini", "0.3.1", "0.4.0", "app/node_modules/ini/package.json"),
		}, "upgrade: in the project of /app: raise jquery to 3.0.0 and ini to 0.4.0 in package.json, or upgrade what requires it (npm why NAME)\n" +
			"upgrade: in the project of /app: npm update mixin-deep"},
		{"what npm brings", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "tar", "6.1.0", "6.2.1", "usr/local/lib/node_modules/npm/node_modules/tar/package.json"),
			finding("npm", "ip", "1.1.5", "1.1.9", "usr/local/lib/node_modules/npm/node_modules/ip/package.json"),
		}, "upgrade: npm 1.0 brings tar and ip: remove it from the final image, or take a newer release if that has the fixes: RUN npm install -g npm@latest"},
		{"what pnpm brings, without npm", installed("npm pnpm opt/node/lib/node_modules/pnpm/package.json"), verdict.System{}, []match.Finding{
			finding("npm", "tar", "6.1.0", "6.2.1", "opt/node/lib/node_modules/pnpm/dist/node_modules/tar/package.json"),
		}, "upgrade: pnpm 1.0 brings tar: remove it from the final image, or take a newer release if that has the fixes"},
		{"a global package", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "@angular/cli", "1.0.0", "1.2.0", "opt/n/lib/node_modules/@angular/cli/package.json"),
		}, "upgrade: upgrade @angular/cli to 1.2.0, or remove it from the final image: RUN npm install -g --prefix /opt/n @angular/cli@1.2.0"},
		{"what corepack fetched", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "tar", "6.1.0", "6.2.1", "root/.cache/node/corepack/v1/pnpm/9.1.0/dist/node_modules/tar/package.json"),
		}, "upgrade: corepack's copy in /root/.cache/node/corepack/v1/pnpm/9.1.0/dist brings tar 6.1.0: remove it from the final image"},
		{"a project of pnpm", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "tar", "6.1.0", "6.2.1", "app/node_modules/.pnpm/tar@6.1.0/node_modules/tar/package.json"),
		}, "upgrade: in the project of /app: pnpm update --recursive --depth Infinity tar"},
		{"a strange module", installed(npm), verdict.System{}, []match.Finding{
			finding("npm", "a; reboot", "1", "1.2", "app/node_modules/a/package.json"),
		}, "upgrade: in the project of /app: upgrade a; reboot to 1.2"},

		{"pip", installed("pypi pip " + site + "pip-24.0.dist-info/METADATA"), verdict.System{}, []match.Finding{
			finding("pypi", "django", "2.2.8", "2.2.9", site+"django-2.2.8.dist-info/METADATA"),
			finding("pypi", "pip", "24.0", "25.3", site+"pip-24.0.dist-info/METADATA"),
		}, pip + "RUN pip install django==2.2.9 pip==25.3"},
		{"a virtual environment", installed("pypi pip opt/venv/lib/python3.12/site-packages/pip-24.0.dist-info/METADATA"), verdict.System{}, []match.Finding{
			finding("pypi", "django", "2.2.8", "2.2.9", "opt/venv/lib/python3.12/site-packages/django-2.2.8.dist-info/METADATA"),
		}, pip + "RUN /opt/venv/bin/pip install django==2.2.9"},
		{"Debian's pip", installed("pypi pip usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA"), verdict.System{}, []match.Finding{
			finding("pypi", "django", "2.2.8", "2.2.9", dist+"Django-2.2.8.dist-info/METADATA"),
		}, pip + "RUN pip install --break-system-packages django==2.2.9"},
		{"no pip", installed(), verdict.System{}, []match.Finding{
			finding("pypi", "django", "2.2.8", "2.2.9", site+"django-2.2.8.dist-info/METADATA"),
		}, "upgrade: raise in the requirements: django to 2.2.9"},
		{"of an SBOM of another tool", installed(), verdict.System{}, []match.Finding{
			finding("pypi", "urllib3", "1.0", "2.0", site+"pip/_vendor/urllib3-1.0.dist-info/METADATA"),
		}, "upgrade: pip brings urllib3: take a newer release of it"},

		{"gem", installed(), verdict.System{}, []match.Finding{
			finding("gem", "rack", "2.0.1", "2.2.9", "var/lib/gems/3.1.0/specifications/rack-2.0.1.gemspec"),
		}, "upgrade: add to the Dockerfile after the gems are installed: RUN export GEM_HOME=/var/lib/gems/3.1.0 && gem install rack:2.2.9 && gem uninstall -I -x rack -v 2.0.1"},
		{"Bundler", installed(), verdict.System{}, []match.Finding{
			finding("gem", "rack", "2.0.1", "2.2.9", "usr/local/bundle/specifications/rack-2.0.1.gemspec"),
		}, "upgrade: in the project with the Gemfile: bundle update --conservative rack"},
		{"a default gem", installed(), verdict.System{}, []match.Finding{
			finding("gem", "rexml", "3.2.5", "3.3.9", "usr/lib/ruby/gems/3.1.0/specifications/default/rexml-3.2.5.gemspec"),
		}, "base: use a newer release of Ruby, which brings rexml 3.2.5"},

		{"go", installed(), verdict.System{}, []match.Finding{
			finding("golang", "stdlib", "1.22.1", "1.23.8", "app"), finding("golang", "golang.org/x/net", "v0.17.0", "0.33.0", "app"),
			finding("golang", "stdlib", "1.22.1", "1.23.8", "bin/a"), finding("golang", "stdlib", "1.22.1", "1.23.8", "bin/b"),
		}, "upgrade: rebuild /app with Go 1.23.8 or later, or take a newer release: go get golang.org/x/net@v0.33.0 && go mod tidy\n" +
			"upgrade: rebuild /bin/a and /bin/b with Go 1.23.8 or later, or take a newer release"},
		{"cargo", installed(), verdict.System{}, []match.Finding{finding("cargo", "time", "0.2.0", "0.2.23", "usr/bin/rg")},
			"upgrade: rebuild /usr/bin/rg, or take a newer release: cargo update time@0.2.0 --precise 0.2.23"},
		{"cargo, beyond the range", installed(), verdict.System{}, []match.Finding{
			finding("cargo", "time", "0.1.43", "0.2.23", "usr/bin/rg"), finding("cargo", "smallvec", "1.6.0", "1.6.1", "usr/bin/rg"),
		}, "upgrade: rebuild /usr/bin/rg with time to 0.2.23 in Cargo.toml, or with a newer release of what requires it (cargo tree -i), or take a newer release: cargo update smallvec@1.6.0 --precise 1.6.1"},
		{"composer, beyond the range", installed(), verdict.System{}, []match.Finding{finding("composer", "twig/twig", "v2.0.0", "3.1.0", "var/www/vendor/composer/installed.json")},
			"upgrade: in the project of /var/www: raise twig/twig to 3.1.0 in composer.json, or upgrade what requires it (composer why NAME)"},
		{"programs", installed(), verdict.System{}, []match.Finding{
			finding("generic", "git", "2.39.5", "2.40.5", "usr/local/bin/git"),
			finding("generic", "git", "2.39.5", "2.43.7", "usr/local/bin/git"),
			finding("generic", "git", "2.39.5", "2.40.6", "usr/local/bin/git"),
			finding("hex", "plug", "1.0.0", "1.0.4", "app/lib/plug/ebin/plug.app"),
			finding("hex", "plug", "1.0.0", "1.3.2", "app/lib/plug/ebin/plug.app"),
		}, "upgrade: upgrade git to 2.43.7\nupgrade: upgrade plug to 1.3.2"},
		{"wordpress", installed(), verdict.System{}, []match.Finding{
			finding("wordpress", "plugin/contact-form-7", "4.3", "5.9", "var/www/html/wp-content/plugins/contact-form-7/wp-contact-form-7.php"),
			finding("wordpress", "core", "6.8.5", "6.8.6", "var/www/html/wp-includes/version.php"),
			finding("wordpress", "plugin/hello-dolly", "1.6", "1.7.2", "srv/two/wp-content/plugins/hello.php"),
		},
			"upgrade: in the site of /var/www/html, with wp-cli or with the archive of the release: wp plugin update contact-form-7 --version=5.9 --path=/var/www/html && wp core update --version=6.8.6 --path=/var/www/html\n" +
				"upgrade: in the site of /srv/two, with wp-cli or with the archive of the release: wp plugin update hello --version=1.7.2 --path=/srv/two"},
		{"wordpress with other folders", installed(), verdict.System{}, []match.Finding{
			finding("wordpress", "theme/sage", "1", "2", "srv/web/app/themes/sage/style.css"),
			finding("wordpress", "plugin/akismet", "5.0", "5.3", "srv/web/app/plugins/akismet/akismet.php", "srv/vendor/composer/installed.json"),
		},
			"upgrade: in the site of /srv/web/app, with wp-cli or with the archive of the release: wp theme update sage --version=2\n" +
				"upgrade: in the project of /srv: upgrade plugin/akismet to 5.3"},
		{"wordpress without a command", installed(), verdict.System{}, []match.Finding{
			finding("wordpress", "plugin/loader", "1", "2", "a/wp-content/mu-plugins/loader.php"),
			finding("wordpress", "plugin/x;reboot", "1", "2", "b/wp-content/plugins/x;reboot/x.php"),
			finding("wordpress", "plugin/y", "1", "2", "c $(d)/wp-content/plugins/y/y.php"),
			finding("wordpress", "plugin/z", "1", "2"),
		},
			"upgrade: in the site of /a: upgrade plugin/loader to 2\n" +
				"upgrade: in the site of /b: upgrade plugin/x;reboot to 2\n" +
				"upgrade: in the site of /c $(d): upgrade plugin/y to 2\n" +
				"upgrade: in its site: upgrade plugin/z to 2"},
		{"wordpress of Debian", installed(), verdict.System{}, []match.Finding{finding("wordpress", "plugin/a", "1", "2", "var/lib/wordpress/wp-content/plugins/a/a.php")},
			"upgrade: in the site of /var/lib/wordpress, with wp-cli or with the archive of the release: wp plugin update a --version=2 --path=/usr/share/wordpress"},
		{"wordpress in the root", installed(), verdict.System{}, []match.Finding{finding("wordpress", "core", "5.7.4", "5.8.3", "wp-includes/version.php")},
			"upgrade: in the site of /, with wp-cli or with the archive of the release: wp core update --version=5.8.3 --path=/"},
		{"drupal", installed(), verdict.System{}, []match.Finding{
			finding("composer", "drupal/core", "10.2.5", "10.2.11", "var/www/core/lib/Drupal.php"),
			finding("composer", "drupal/colorbox", "1.0.0", "2.1.5", "var/www/modules/contrib/colorbox/colorbox.info.yml"),
			finding("composer", "drupal/webform", "6.2.0", "6.2.9", "srv/vendor/composer/installed.json", "srv/web/modules/contrib/webform/webform.info.yml"),
		},
			"upgrade: in the site of /var/www, with the archives of the releases: upgrade drupal/core to 10.2.11 and drupal/colorbox to 2.1.5\n" +
				"upgrade: in the project of /srv: composer update drupal/webform --with-all-dependencies"},
		{"composer", installed(), verdict.System{}, []match.Finding{finding("composer", "guzzlehttp/psr7", "1.0", "1.9", "var/www/vendor/composer/installed.json")},
			"upgrade: in the project of /var/www: composer update guzzlehttp/psr7 --with-all-dependencies"},
		{"dotnet", installed(), verdict.System{}, []match.Finding{finding("nuget", "Newtonsoft.Json", "12.0.1", "13.0.1", "app/a.deps.json")},
			"upgrade: in the project of /app/a.deps.json: dotnet add package Newtonsoft.Json --version 13.0.1"},
		{"a jar", installed(), verdict.System{}, []match.Finding{finding("maven", "org.yaml:snakeyaml", "1.30", "2.0", "opt/lib/snakeyaml-1.30.jar")},
			"upgrade: upgrade org.yaml:snakeyaml to 2.0, /opt/lib/snakeyaml-1.30.jar"},
		{"jars in a jar", installed(), verdict.System{}, []match.Finding{
			finding("maven", "org.yaml:snakeyaml", "1.30", "2.0", "opt/app.jar"), finding("maven", "log4j:log4j", "1.2", "2.17.1", "opt/app.jar"),
		}, "upgrade: /opt/app.jar brings org.yaml:snakeyaml 1.30 and log4j:log4j 1.2: rebuild it with org.yaml:snakeyaml to 2.0 and log4j:log4j to 2.17.1, or take a newer release of it"},
		{"a language without a command", installed(), verdict.System{}, []match.Finding{finding("cran", "haven", "1", "2", "R/haven")}, "upgrade: upgrade haven to 2"},

		{"what cannot be fixed", installed("deb apt"), verdict.System{}, []match.Finding{finding("deb", "tar", "1", ""), bad, paid, finding("deb", "curl", "1", "2")},
			"remove: remove evil 1.0.0: malicious; and change every secret that it could read\n" +
				"upgrade: " + before + "RUN apt-get update && apt-get install -y --only-upgrade curl\n" +
				"none: the fix needs a subscription: perl (Ubuntu Pro); leave it out, or use another base image\n" +
				"none: no fix exists for tar: leave it out, use another base image, or accept it with --ignore-file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := remedy.Of(remedy.Input{Findings: tt.findings, Inventory: tt.in, System: tt.system})
			if s := shown(got); s != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", s, tt.want)
			}
			fixes, failing := 0, 0
			for _, r := range got {
				fixes += r.Findings
				if len(r.Packages) == 0 {
					t.Errorf("a remedy for no package: %+v", r)
				}
			}
			for _, f := range tt.findings {
				if f.Fails {
					failing++
				}
			}
			if fixes != failing {
				t.Errorf("remedies for %d of %d findings", fixes, failing)
			}
		})
	}
}

// TestStale: the log says that a layer is from the cache only if all fixes are newer than the
// package database, and no step of this build has written that.
func TestStale(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, -n) }
	type fix struct{ published, seen time.Time }
	for _, tt := range []struct {
		name     string
		modified time.Time
		fixes    []fix
		want     bool
	}{
		{"newer fixes", day(10), []fix{{published: day(9)}, {published: day(3)}}, true},
		{"an older fix", day(10), []fix{{published: day(9)}, {published: day(11)}}, false},
		{"unknown", day(10), []fix{{published: day(9)}, {}}, false},
		{"written in this build", now.Add(-time.Minute), []fix{{published: now}}, false},
		{"no time of the database", time.Time{}, []fix{{published: day(3)}}, false},
		{"a reproducible image", time.Unix(0, 0), []fix{{published: day(3)}}, false},
		{"a database of the future", now.Add(time.Hour), []fix{{published: day(3)}}, false},
		{"an old advisory with a fix that was seen later", day(10), []fix{{day(400), day(300)}, {day(400), day(3)}}, false},
		{"all fixes were seen later than others", day(10), []fix{{day(8), day(300)}, {day(400), day(3)}}, true},
		{"all were seen with the first import", day(10), []fix{{day(400), day(3)}, {day(300), day(3).Add(time.Minute)}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := remedy.Input{Inventory: installed("deb apt"), Modified: tt.modified, Now: now}
			for i, x := range tt.fixes {
				f := finding("deb", fmt.Sprintf("lib%d", i), "1", "2")
				f.Match.Published = x.published
				if !x.seen.IsZero() {
					f.Match.FirstSeen = &x.seen
				}
				in.Findings = append(in.Findings, f)
			}
			got := remedy.Of(in)
			stale := slices.ContainsFunc(got, func(r verdict.Remedy) bool { return r.Action == verdict.ActionRebuild })
			if stale != tt.want {
				t.Fatalf("got %v, want %v:\n%s", stale, tt.want, shown(got))
			}
			if stale && !strings.Contains(got[0].Text, "2026-11-19") {
				t.Errorf("the time of the database is not in %q", got[0].Text)
			}
		})
	}
}

// TestUnsafe: what people paste has no name that a shell reads as something else.
func TestUnsafe(t *testing.T) {
	for _, typ := range []string{"deb", "apk", "rpm", "npm", "pypi", "gem", "golang", "cargo", "composer", "nuget", "maven", "wordpress"} {
		for _, name := range []string{"a b", "$(id)", "`id`", "a;b", "-o", "--force", "~root", "a&b", "a|b", "a\nb", "a'b", `a"b`, "a>b", "Ünï", "a*", ""} {
			for _, place := range []string{"srv/node_modules/x/package.json", "usr/local/lib/node_modules/" + name + "/package.json",
				name + "/lib/python3.12/site-packages/x.dist-info/METADATA", name + "/specifications/x.gemspec", name} {
				name := name
				if typ == "wordpress" {
					name, place = "plugin/"+name, place+"/wp-content/plugins/"+name+"/x.php"
				}
				in := remedy.Input{
					Inventory: installed("deb apt", "apk apk-tools", "rpm dnf", "npm npm usr/local/lib/node_modules/npm/package.json"),
					Findings:  []match.Finding{finding(typ, name, "1", "2", place), finding(typ, "ok", name, name, place)},
				}
				for _, r := range remedy.Of(in) {
					bad := func(s string) bool {
						return strings.ContainsAny(strings.ReplaceAll(s, " && ", " "), "$`;&|\n'\"<>*ÜÄ") || strings.Contains(s, " "+name+" ") && strings.HasPrefix(name, "-")
					}
					if bad(r.Command) || bad(r.Short) {
						t.Errorf("%s %q at %q: %q", typ, name, place, r.Command)
					}
				}
			}
		}
	}
}

// A newer base image is named for what is of the base image alone, and no project of the build
// is told to change it.
func TestOrigins(t *testing.T) {
	of := func(origin string, f match.Finding) match.Finding {
		f.Origin = origin
		return f
	}
	const own, base = verdict.OriginOwn, verdict.OriginBase
	const newer = "from the base image: use a newer one (FROM) if it has the fixes, or "
	const only = "RUN apt-get update && apt-get install -y --only-upgrade "
	site := "usr/local/lib/python3.12/site-packages/"
	pips := installed("deb apt", "pypi pip "+site+"pip-24.0.dist-info/METADATA")
	for _, tt := range []struct {
		name     string
		in       inventory.Inventory
		findings []match.Finding
		want     string
		base     string // of each remedy
	}{
		{"own", installed("deb apt"), []match.Finding{of(own, finding("deb", "curl", "1", "2"))},
			"upgrade: add to the Dockerfile before the scan: " + only + "curl", "0"},
		{"base", installed("deb apt"), []match.Finding{of(base, finding("deb", "libc6", "1", "2"))},
			"upgrade: from the base image: use a newer one (FROM, --pull) if it has the fixes, or add to the Dockerfile before the scan: " + only + "libc6", "1"},
		{"both", installed("deb apt"), []match.Finding{of(own, finding("deb", "curl", "1", "2")), of(base, finding("deb", "libc6", "1", "2"))},
			"upgrade: add to the Dockerfile before the scan; a newer base image (FROM, --pull) may fix 1 of them: " + only + "curl libc6", "1"},
		{"no apt", installed("deb libc6"), []match.Finding{of(base, finding("deb", "libc6", "1", "2"))},
			"base: use a newer base image: this one has no package manager that could upgrade it", "1"},
		{"a program of each", installed(), []match.Finding{
			of(base, finding("golang", "stdlib", "1.18.2", "1.23.8", "usr/local/bin/gosu")), of(own, finding("golang", "golang.org/x/net", "v0.17.0", "0.33.0", "app/server")),
		}, "upgrade: rebuild /app/server, or take a newer release: go get golang.org/x/net@v0.33.0 && go mod tidy\n" +
			"base: the base image brings stdlib 1.18.2 in /usr/local/bin/gosu: use a newer one (FROM) if it has the fixes, or remove what brings it", "0 1"},
		{"pip of the base image", pips, []match.Finding{of(base, finding("pypi", "pip", "24.0", "25.3", site+"pip-24.0.dist-info/METADATA"))},
			"upgrade: " + newer + "add to the Dockerfile after the packages are installed, or raise in the requirements: RUN pip install pip==25.3", "1"},
		{"no fix", installed(), []match.Finding{of(own, finding("deb", "perl", "1", ""))}, "none: no fix exists for perl: leave it out, or accept it with --ignore-file", "0"},
		{"no fix in the base image", installed(), []match.Finding{of(base, finding("deb", "perl", "1", ""))},
			"none: no fix exists for perl: leave it out, use another base image, or accept it with --ignore-file", "1"},
	} {
		got := remedy.Of(remedy.Input{Findings: tt.findings, Inventory: tt.in})
		var counts []string
		for _, r := range got {
			counts = append(counts, fmt.Sprint(r.Base))
		}
		if s := shown(got); s != tt.want || strings.Join(counts, " ") != tt.base {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, counts, s, tt.want)
		}
	}
}
