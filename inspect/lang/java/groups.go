package java

import (
	"slices"
	"strconv"
	"strings"

	"assay/inspect/ident"
)

// A publication is a group on Maven Central with artifacts that no other project
// publishes under the same names, in the range of versions in which the project used
// the group.
type publication struct {
	group         string
	since, before string // versions; empty for no bound
	artifacts     []string
}

// publications returns the groups of libraries that are in many images and whose jars
// often have no coordinates, because Ant, Gradle, sbt or a distribution builds them. A
// name that several projects use is in the list only if the version tells them apart:
// Testcontainers and the AWS SDK publish a postgresql and an elasticsearch with
// versions 1 and 2.
func publications() []publication {
	return []publication{
		{"dom4j", "", "2", []string{"dom4j"}},
		{"org.dom4j", "2", "", []string{"dom4j"}},
		{"org.codehaus.groovy", "", "4", groovy},
		{"org.apache.groovy", "4", "", groovy},
		{"org.codehaus.jackson", "", "", []string{
			"jackson-core-asl", "jackson-mapper-asl", "jackson-core-lgpl", "jackson-mapper-lgpl",
			"jackson-jaxrs", "jackson-xc",
		}},
		{"org.bouncycastle", "", "", bouncyCastle()},

		// Databases and their drivers.
		{"postgresql", "7", "9.2", []string{"postgresql"}},
		{"org.postgresql", "9.2", "", []string{"postgresql"}},
		{"mysql", "", "", []string{"mysql-connector-java"}},
		{"com.mysql", "", "", []string{"mysql-connector-j"}},
		{"org.mariadb.jdbc", "", "", []string{"mariadb-java-client"}},
		{"com.microsoft.sqlserver", "", "", []string{"mssql-jdbc"}},
		{"org.xerial", "", "", []string{"sqlite-jdbc"}},
		{"com.h2database", "", "", []string{"h2"}},
		{"hsqldb", "", "2", []string{"hsqldb"}},
		{"org.hsqldb", "2", "", []string{"hsqldb"}},
		{"org.apache.derby", "", "", derby},
		{"org.mongodb", "", "", []string{
			"mongo-java-driver", "mongodb-driver", "mongodb-driver-core", "mongodb-driver-sync", "mongodb-driver-legacy",
		}},
		{"org.apache.cassandra", "", "", []string{"cassandra-all"}},
		{"c3p0", "", "0.9.2", []string{"c3p0"}},
		{"com.mchange", "0.9.2", "", []string{"c3p0"}},
		{"org.hibernate", "", "6", hibernate},
		{"org.hibernate.orm", "6", "", hibernate},

		// Apache Commons: the first libraries have groups of their own.
		{"commons-beanutils", "", "", []string{"commons-beanutils"}},
		{"commons-codec", "", "", []string{"commons-codec"}},
		{"commons-collections", "", "4", []string{"commons-collections"}},
		{"commons-configuration", "", "", []string{"commons-configuration"}},
		{"commons-dbcp", "", "", []string{"commons-dbcp"}},
		{"commons-digester", "", "", []string{"commons-digester"}},
		{"commons-fileupload", "", "2", []string{"commons-fileupload"}},
		{"commons-httpclient", "", "", []string{"commons-httpclient"}},
		{"commons-io", "", "", []string{"commons-io"}},
		{"commons-lang", "", "", []string{"commons-lang"}},
		{"commons-logging", "", "", []string{"commons-logging"}},
		{"commons-net", "", "", []string{"commons-net"}},
		{"commons-pool", "", "", []string{"commons-pool"}},
		{"commons-validator", "", "", []string{"commons-validator"}},
		{"org.apache.commons", "", "", []string{
			"commons-collections4", "commons-compress", "commons-configuration2", "commons-csv", "commons-dbcp2",
			"commons-exec", "commons-lang3", "commons-math3", "commons-pool2", "commons-text",
		}},

		// Other projects of Apache.
		{"log4j", "", "2", []string{"log4j"}},
		{"org.apache.logging.log4j", "2", "", []string{"log4j-api", "log4j-core"}},
		{"xerces", "", "", []string{"xercesImpl"}},
		{"xalan", "", "", []string{"xalan"}},
		{"ant", "", "1.7", []string{"ant"}},
		{"org.apache.ant", "1.7", "", []string{"ant", "ant-launcher"}},
		{"ivy", "", "2", []string{"ivy"}},
		{"org.apache.ivy", "2", "", []string{"ivy"}},
		{"velocity", "", "1.5", []string{"velocity"}},
		{"org.apache.velocity", "1.5", "", []string{"velocity", "velocity-engine-core"}},
		{"struts", "", "1.3", []string{"struts"}},
		{"org.apache.struts", "1.3", "", []string{"struts-core", "struts2-core"}},
		{"poi", "", "3", []string{"poi"}},
		{"org.apache.poi", "3", "", []string{
			"poi", "poi-ooxml", "poi-ooxml-full", "poi-ooxml-lite", "poi-ooxml-schemas", "poi-scratchpad",
		}},
		{"org.apache.xmlbeans", "2.3", "", []string{"xmlbeans"}},
		{"batik", "", "1.7", batik},
		{"org.apache.xmlgraphics", "1.7", "", batik},
		{"org.apache.xmlgraphics", "0.93", "", []string{"fop"}},
		{"org.apache.lucene", "", "", []string{"lucene-core", "lucene-queryparser", "lucene-replicator"}},
		{"org.apache.solr", "", "", []string{"solr-core", "solr-solrj"}},
		{"org.apache.kafka", "", "", []string{
			"kafka-clients", "kafka_2.10", "kafka_2.11", "kafka_2.12", "kafka_2.13", "connect-runtime",
		}},
		{"org.apache.thrift", "", "", []string{"libthrift"}},
		{"org.apache.zookeeper", "", "", []string{"zookeeper"}},
		{"org.apache.santuario", "1.4.4", "", []string{"xmlsec"}},

		// Networks.
		{"org.jboss.netty", "", "3.3", []string{"netty"}},
		{"io.netty", "3.3", "", []string{"netty"}},
		{"com.squareup.okhttp", "", "3", []string{"okhttp"}},
		{"com.squareup.okhttp3", "3", "", []string{"okhttp"}},
		{"com.squareup.okio", "", "", []string{"okio", "okio-jvm"}},
		{"com.squareup.retrofit2", "2", "", []string{"retrofit"}},
		{"io.grpc", "", "", []string{"grpc-api", "grpc-core", "grpc-netty", "grpc-netty-shaded", "grpc-protobuf", "grpc-stub"}},
		{"com.google.protobuf", "", "", []string{"protobuf-java", "protobuf-java-util", "protobuf-javalite"}},
		{"io.projectreactor", "", "", []string{"reactor-core"}},
		{"io.projectreactor.netty", "", "", []string{"reactor-netty-core", "reactor-netty-http"}},
		{"org.elasticsearch", "5", "", []string{"elasticsearch"}},
		{"com.typesafe.akka", "", "", []string{
			"akka-actor_2.11", "akka-actor_2.12", "akka-actor_2.13",
			"akka-http-core_2.11", "akka-http-core_2.12", "akka-http-core_2.13",
		}},

		// Other projects of Spring. manifest.coordinates handles Tomcat and the
		// framework itself.
		{"org.springframework", "", "", []string{"spring"}},
		{"org.springframework.amqp", "", "", []string{"spring-amqp", "spring-rabbit"}},
		{"org.springframework.batch", "", "", []string{"spring-batch-core", "spring-batch-infrastructure"}},
		{"org.springframework.graphql", "", "", []string{"spring-graphql"}},
		{"org.springframework.integration", "", "", []string{"spring-integration-core"}},
		{"org.springframework.kafka", "", "", []string{"spring-kafka"}},
		{"org.springframework.ldap", "", "", []string{"spring-ldap-core"}},
		{"org.springframework.session", "", "", []string{"spring-session-core"}},
		{"org.springframework.ws", "", "", []string{"spring-ws-core", "spring-xml"}},

		// All others.
		{"junit", "", "", []string{"junit"}},
		{"org.quartz-scheduler", "1.7", "", []string{"quartz"}},
		{"com.thoughtworks.xstream", "1.3", "", []string{"xstream"}},
		{"org.yaml", "", "", []string{"snakeyaml"}},
		{"com.google.guava", "", "", []string{"guava"}},
		{"com.google.code.gson", "", "", []string{"gson"}},
		{"org.jdom", "1.1", "2", []string{"jdom"}},
		{"org.jdom", "2", "", []string{"jdom2"}},
		{"net.sf.json-lib", "", "", []string{"json-lib"}},
		{"net.sf.jasperreports", "", "", []string{"jasperreports"}},
		{"net.sourceforge.nekohtml", "1.9.7", "", []string{"nekohtml"}},
		{"org.freemarker", "2.3.10", "", []string{"freemarker"}},
		{"com.lowagie", "", "5", []string{"itext"}},
		{"org.jetbrains.kotlin", "", "", []string{"kotlin-stdlib"}},
		{"org.scala-lang", "", "", []string{"scala-compiler", "scala-library"}},
		{"org.python", "", "", []string{"jython", "jython-standalone"}},
		{"org.codehaus.woodstox", "", "", []string{"woodstox-core-asl"}},
		{"org.lz4", "1.4", "1.8.1", []string{"lz4-java"}},
		{"at.yawk.lz4", "1.8.1", "", []string{"lz4-java"}},
		{"net.jpountz.lz4", "", "1.4", []string{"lz4"}},
		{"org.xerial.snappy", "", "", []string{"snappy-java"}},
		{"com.github.luben", "", "", []string{"zstd-jni"}},
	}
}

var (
	groovy = []string{
		"groovy", "groovy-all", "groovy-ant", "groovy-astbuilder", "groovy-bsf", "groovy-cli-commons", "groovy-cli-picocli",
		"groovy-console", "groovy-datetime", "groovy-dateutil", "groovy-docgenerator", "groovy-groovydoc",
		"groovy-groovysh", "groovy-jmx", "groovy-json", "groovy-jsr223", "groovy-macro", "groovy-nio",
		"groovy-servlet", "groovy-sql", "groovy-swing", "groovy-templates", "groovy-test", "groovy-test-junit5",
		"groovy-testng", "groovy-xml", "groovy-yaml",
	}
	derby     = []string{"derby", "derbyclient", "derbynet", "derbyshared", "derbytools"}
	hibernate = []string{"hibernate-core", "hibernate-c3p0", "hibernate-envers", "hibernate-jcache", "hibernate-hikaricp"}
	batik     = []string{
		"batik-anim", "batik-awt-util", "batik-bridge", "batik-codec", "batik-css", "batik-dom", "batik-ext",
		"batik-gvt", "batik-parser", "batik-script", "batik-svg-dom", "batik-svggen", "batik-transcoder",
		"batik-util", "batik-xml",
	}
)

// bouncyCastle returns all libraries of Bouncy Castle for all ranges of JDKs.
func bouncyCastle() []string {
	names := []string{"bc-fips"}
	for _, library := range [...]string{"bcprov", "bcprov-ext", "bcpkix", "bcutil", "bcpg", "bcmail", "bctls"} {
		for _, jdk := range [...]string{"jdk14", "jdk15", "jdk15on", "jdk15to18", "jdk16", "jdk18on"} {
			names = append(names, library+"-"+jdk)
		}
	}
	return names
}

// published returns the coordinates of a library from its version and its name, either
// the one on Maven Central or the one that Debian gives the file. They are the zero
// value if the name is not in the list.
func published(name, version string) coordinates {
	if !isDigitAt(version, 0) || isRebuilt(version) {
		return coordinates{}
	}
	name = centralName(name, version)
	if slices.Contains(derby, name) {
		version = derbyVersion(version)
	}
	for _, p := range publications() {
		if slices.Contains(p.artifacts, name) &&
			(p.since == "" || !older(version, p.since)) && (p.before == "" || older(version, p.before)) {
			return coordinates{p.group, name, version}
		}
	}
	return coordinates{}
}

// centralName returns the name of a library on Maven Central from the name that its
// project or Debian gives the file.
func centralName(name, version string) string {
	switch name {
	case "bcprov", "bcpkix", "bcutil", "bcpg", "bcmail", "bctls":
		switch {
		case !older(version, "1.71"):
			return name + "-jdk18on"
		case !older(version, "1.46"):
			return name + "-jdk15on"
		}
	case "commons-collections3":
		return "commons-collections"
	case "jdom":
		if !older(version, "2") {
			return "jdom2" // the project itself calls the file jdom
		}
	case "jdom1":
		return "jdom"
	case "junit4", "JUnit":
		return "junit"
	case "log4j-1.2":
		return "log4j"
	case "quartz2":
		return "quartz"
	case "xalan2":
		return "xalan"
	}
	if strings.HasPrefix(name, "apache-cassandra") {
		return "cassandra-all"
	}
	return name
}

// isRebuilt reports whether a word in a version is followed by another part, as in
// "1.2-api-2.17" and "1.6.1-hudson-3": the name does not end before the first number,
// or another project changed the library.
func isRebuilt(version string) bool {
	_, rest, _ := strings.Cut(version, "-")
	for {
		part, more, ok := strings.Cut(rest, "-")
		if !ok {
			return false
		}
		if !isDigitAt(part, 0) {
			return true
		}
		rest = more
	}
}

// derbyVersion returns the version of Derby from the OSGi version in its manifest:
// 10.14.2000000.1828579 is build 1828579 of 10.14.2.0.
func derbyVersion(version string) string {
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		return version
	}
	n, err := strconv.Atoi(parts[2])
	if err != nil || n < 1_000_000 {
		return version
	}
	return strings.Join([]string{parts[0], parts[1], strconv.Itoa(n / 1_000_000), strconv.Itoa(n % 1_000_000)}, ".")
}

// older reports whether a version is less than bound, which consists of numbers. Only
// as many numbers of the version are compared as bound has.
func older(version, bound string) bool {
	for b := range strings.SplitSeq(bound, ".") {
		digits := leadingDigits(version)
		version = strings.TrimPrefix(version[len(digits):], ".")
		v, err := strconv.Atoi(digits)
		if err != nil && digits != "" {
			return false // larger than any bound
		}
		if want, _ := strconv.Atoi(b); v != want {
			return v < want
		}
	}
	return false
}

func leadingDigits(s string) string {
	for i := range len(s) {
		if !ident.IsDigit(s[i]) {
			return s[:i]
		}
	}
	return s
}

func isDigitAt(s string, i int) bool { return i < len(s) && ident.IsDigit(s[i]) }
