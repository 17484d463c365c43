package main

import "strings"

// shapes returns files with the shapes of entries that people write, each found in several
// public projects: 1121citrus/pfsense-backup, 8fqycwdt8v-oss/Chemclaw3,
// Aerya/Gluetun-Companion, Alfresco/alfresco-dockerfiles-bakery, AlbanAndrieu/nabla-hooks,
// BallAerospace/COSMOS, CodesWhat/drydock, cyberark/secretless-broker, DataBoar/data-boar,
// DeerHide/fastapi_factory_utilities, ericcornelissen/js-regex-security-scanner,
// HHS/simpler-grants-pdf-builder, ministryofjustice/analytical-platform-visual-studio-code,
// OWASP/Nest and steadybit/extension-host on GitHub. The files themselves are not part of
// the repository: docs/policy.md says how to compare such a file.
func shapes() []file {
	trivy := func(name string, lines ...string) file {
		return file{name + "/.trivyignore", "trivy", []byte(strings.Join(lines, "\n") + "\n")}
	}
	trivyYAML := func(name, entries string) file {
		return file{name + "/.trivyignore.yaml", "trivy", []byte(entries)}
	}
	grype := func(name, rules string) file {
		return file{name + "/.grype.yaml", "grype", []byte("ignore:\n" + rules)}
	}
	return []file{
		trivy("ids", "# accepted until the base image is newer", "CVE-2024-3220", "", "  CVE-2026-0861  ", "GHSA-4xh5-x5gv-qwph", "GO-2026-5932",
			"ALAS2023-2026-1757", "TEMP-0841856-B18BAF", "#CVE-2020-1"),
		trivy("dates", "CVE-2026-0861 exp:2999-12-31", "CVE-2026-0915 exp:2020-01-01 # why", "CVE-2025-15281 exp:soon", "CVE-2025-1 # no date exp:2020-01-01",
			"CVE-2025-2 exp:2999-1-1", "CVE-2025-3 exp: 2999-01-01", "CVE-2025-4 until:2020-01-01", "CVE-2025-5 exp:2020-01-01 exp:2999-01-01"),
		trivy("other scanners", "KSV041", "DS-0026", "AVD-DS-0002", "avd-aws-0001", "private-key", "GPL-2.0-or-later", "GPL-2.0+", "CVE-2025-1"),
		trivy("words", "CVE-2025-1 CVE-2025-2", "CVE-2025-3,CVE-2025-4", "CVE-2025-5;", "CVE-2025-6#why"),
		trivy("pattern", "CVE-2025-*", "CVE-2025-1"),
		trivy("other comment", "// why", "CVE-2025-1"),
		trivy("license expression", "(MIT OR CC0-1.0)", "CVE-2025-1"),
		trivy("empty"),
		trivyYAML("statement", "vulnerabilities:\n  - id: CVE-2023-45853\n    statement: not reachable\n    expired_at: 2999-06-17\n  - id: CVE-2026-0861\n    expired_at: 2020-01-01\n"),
		trivyYAML("times", "vulnerabilities:\n- {id: CVE-2025-1, expired_at: 2999-01-01T00:00:00Z}\n- {id: CVE-2025-2, expired_at: \"2999-01-01T00:00:00Z\"}\n"+
			"- {id: CVE-2025-3, expired_at: 2020-1-2}\n- {id: CVE-2025-4, expired_at: \"2020-01-01T00:00:00Z\"}\n- {id: CVE-2025-5, expired_at: 2999-01-01 10:00:00}\n- {id: CVE-2025-6, expired_at: }\n"),
		trivyYAML("day in quotes", "vulnerabilities:\n- {id: CVE-2025-1, expired_at: \"2999-01-01\"}\n"),
		trivyYAML("paths", "vulnerabilities:\n  - id: CVE-2023-24538\n    paths: [\"usr/local/bin/gosu\"]\n  - id: CVE-2026-33814\n    paths:\n      - usr/sbin/runc\n      - opt/*/runc\n"+
			"  - id: CVE-2025-1\n    paths: [\"**/package.json\"]\n  - id: CVE-2025-2\n    paths: [\"/usr/lib/node_modules/app/package.json\"]\n"+
			"  - id: CVE-2025-3\n    paths: [\"usr/lib/**\"]\n  - id: CVE-2025-4\n    paths: [\"usr/lib/{node,python}/x\"]\n  - id: CVE-2025-5\n    paths: [\"./usr/lib/x\"]\n  - id: CVE-2025-6\n    paths: [\"**\"]\n"),
		trivyYAML("purls", "vulnerabilities:\n  - id: CVE-2026-34040\n    purls: [\"pkg:golang/github.com/docker/docker@v28.5.2+incompatible\"]\n"+
			"  - id: CVE-2026-58050\n    purls:\n      - pkg:deb/debian/libssh2-1t64@1.11.1-1%2Bdeb13u1\n      - pkg:deb/debian/curl?arch=amd64\n"+
			"  - id: CVE-2025-1\n    purls: [\"pkg:npm/%40babel/traverse@7.1.0\"]\n  - id: CVE-2025-2\n    purls: [\"pkg:maven/org.apache.logging.log4j/log4j-core\"]\n"+
			"  - id: CVE-2025-3\n    purls: [\"pkg:pypi/Jinja2@3.1.2\"]\n  - id: CVE-2025-4\n    purls: [\"pkg:rpm/redhat/openssl@1.1.1k-9.el8_7?epoch=1\"]\n"),
		trivyYAML("other sections", "misconfigurations:\n  - id: KSV-0109\n    paths: [x.yaml]\nsecrets:\n  - id: private-key\nlicenses:\n  - id: GPL-2.0\n    package: adduser\n"),
		trivyYAML("null", "vulnerabilities:\n"),
		trivyYAML("unknown key", "vulnerabilities:\n  - id: CVE-2025-1\n    expires: 2020-01-01\n"),
		trivyYAML("bad purl", "vulnerabilities:\n  - id: CVE-2025-1\n    purls: [lodash]\n"),
		trivyYAML("bad path", "vulnerabilities:\n  - id: CVE-2025-1\n    paths: [\"usr/[\"]\n"),
		trivyYAML("no list", "vulnerabilities:\n  id: CVE-2025-1\n"),
		trivyYAML("path as text", "vulnerabilities:\n  - id: CVE-2025-1\n    paths: usr/lib/x\n"),
		grype("ids", "  - vulnerability: CVE-2026-40962  # expires: 2026-08-19\n  - vulnerability: GHSA-83qj-6fr2-vhqg\n  - vulnerability: ALAS2023-2026-1757\n    reason: why\n  - vulnerability: GHSA-*\n"),
		grype("aliases", "  - vulnerability: CVE-2026-40962\n    include-aliases: true\n"),
		grype("packages", "  - vulnerability: CVE-2023-45853\n    package:\n      name: zlib1g\n      type: deb\n  - package:\n      name: openssl\n  - package: {name: protobuf, version: 6.33.4, type: python}\n"+
			"  - package: {name: log4j-core, version: 2.14.1, type: java-archive}\n  - package: {name: stdlib, version: go1.26.1, type: go-module}\n"+
			"  - package: {name: \"@babel/traverse\", version: 7.1.0}\n"),
		grype("types", "  - package:\n      type: java-archive\n"),
		grype("languages", "  - package:\n      language: python\n"),
		grype("binary", "  - vulnerability: CVE-2026-15308\n    package:\n      name: python\n      type: binary\n    reason: no fix\n"),
		grype("locations", "  - package:\n      location: \"/usr/bin/cosign\"\n  - package:\n      type: go-module\n      location: \"/usr/local/bin/kubectl\"\n"+
			"  - vulnerability: CVE-2025-1\n    package: {location: \"/usr/lib/**\"}\n  - vulnerability: CVE-2025-2\n    package: {location: \"**/node_modules/**\"}\n"+
			"  - vulnerability: CVE-2025-3\n    package: {location: \"/opt/*/lib\"}\n  - vulnerability: CVE-2025-4\n    package: {location: \"/opt/{a,b}/**/*.jar\"}\n  - vulnerability: CVE-2025-5\n    package: {location: \"usr/bin/x\"}\n"),
		grype("patterns", "  - package: {name: \"linux-.*\"}\n  - vulnerability: CVE-2025-1\n    package: {name: \"^lib.*-dev$\"}\n  - vulnerability: CVE-2025-2\n    package: {name: \"c++\"}\n"+
			"  - vulnerability: CVE-2025-3\n    package: {name: \"gcc|g\\\\+\\\\+\"}\n  - vulnerability: CVE-2025-4\n    package: {name: \"python3\\\\.[0-9]+\"}\n  - vulnerability: CVE-2025-5\n    package: {name: \"lib(\"}\n"),
		grype("upstreams", "  - vulnerability: CVE-2025-1\n    package: {upstream-name: glibc}\n  - package: {name: linux-libc-dev, upstream-name: linux, type: deb}\n    vulnerability: CVE-2025-2\n  - vulnerability: CVE-2025-3\n    package: {upstream-name: \"linux.*\", type: deb}\n"),
		grype("fix states", "  - fix-state: wont-fix\n    package: {name: libc6, type: deb}\n  - vulnerability: CVE-2025-1\n    fix-state: not-fixed\n  - vulnerability: CVE-2025-2\n    fix-state: fixed\n"),
		grype("unknown fix state", "  - fix-state: unknown\n  - vulnerability: CVE-2021-26291\n    fix-state: unknown\n"),
		grype("all fix states", "  - fix-state: not-fixed\n  - fix-state: wont-fix\n"),
		grype("justification", "  - vulnerability: CVE-2025-60876\n    vex-justification: vulnerable_code_not_in_execute_path\n"),
		grype("vex status", "  - vulnerability: CVE-2025-60876\n    vex-status: not_affected\n"),
		grype("namespace", "  - vulnerability: CVE-2025-1\n    namespace: github:language:javascript\n"),
		grype("match type", "  - vulnerability: CVE-2025-1\n    match-type: exact-direct-match\n"),
		grype("number", "  - vulnerability: CVE-2025-1\n    package: {name: thing, version: 7}\n"),
		grype("unknown key", "  - vulnerability: CVE-2025-1\n    expires: 2020-01-01\n"),
		grype("no condition", "  - reason: nothing\n"),
		grype("capitals", "  - Vulnerability: CVE-2025-1\n"),
		grype("null", ""),
		{"exclude/.grype.yaml", "grype", []byte("exclude:\n  - \"./dist/**\"\n")},
		{"settings/.grype.yaml", "grype", []byte("output: [table]\nfail-on-severity: high\ndb:\n  auto-update: true\nignore: []\n")},
	}
}
