package imagetest

import (
	"fmt"
	"strings"
)

// A Recipe is an image that Build can build.
type Recipe struct {
	Name       string
	Dockerfile string
	Files      map[string]string // of the build context
	// Layers is how many layers the image has.
	Layers int
}

// Recipes returns the recipes of twenty images.
func Recipes() []Recipe {
	recipes := []Recipe{
		recipe("plain", ""),
		recipe("removed-file",
			"RUN rm /usr/lib/python3/dist-packages/Jinja2-2.0.dist-info/METADATA"),
		recipe("removed-folder",
			"RUN rm -r /srv/app/node_modules/minimist /usr/lib/python3"),
		recipe("opaque-folder",
			"RUN rm -r /srv/app && mkdir -p /srv/app/node_modules/lodash && echo '"+oneLine(node("lodash", "4.17.21"))+"' >/srv/app/node_modules/lodash/package.json",
			"RUN rm -r /srv/app/node_modules && mkdir /srv/app/node_modules"),
		recipe("removed-database",
			"RUN rm -r /var/lib/dpkg"),
		recipe("emptied-database",
			"RUN : >/var/lib/dpkg/status"),
		recipe("changed-database",
			"RUN sed -i '/^Package: gzip$/,/^$/s/^Version: .*/Version: 99-1/' /var/lib/dpkg/status",
			"RUN sed -i '/^Package: tar$/,/^$/d' /var/lib/dpkg/status",
			"RUN touch /srv/later"),
		recipe("moved-database",
			"RUN mkdir -p /usr/share/db && mv /var/lib/dpkg /usr/share/db/dpkg && ln -s ../../usr/share/db/dpkg /var/lib/dpkg",
			"RUN sed -i '/^Package: tar$/,/^$/d' /var/lib/dpkg/status"),
		recipe("hard-links",
			"RUN cp /usr/local/bin/tool /usr/local/bin/one && ln /usr/local/bin/one /usr/local/bin/two && ln /srv/app/node_modules/lodash/package.json /srv/app/copy.json",
			"RUN rm /usr/local/bin/one && ln /usr/local/bin/tool /usr/local/bin/three",
			"RUN rm /usr/local/bin/tool && echo more >>/usr/local/bin/two"),
		recipe("file-becomes-folder",
			"RUN rm /srv/lib/app.jar && mkdir /srv/lib/app.jar && cp /usr/local/bin/tool /srv/lib/app.jar/tool",
			"RUN rm -r /srv/lib/app.jar && cp /usr/local/bin/tool /srv/lib/app.jar && chmod 755 /srv/lib/app.jar",
			"RUN rm /srv/lib/app.jar && mkdir /srv/lib/app.jar"),
		recipe("folder-becomes-file",
			"RUN rm -r /srv/app && echo text >/srv/app",
			"RUN rm /srv/app && mkdir -p /srv/app/node_modules/a && echo '"+oneLine(node("a", "1.0.0"))+"' >/srv/app/node_modules/a/package.json"),
		recipe("link-becomes-folder",
			"RUN rm /srv/current && mkdir -p /srv/current/node_modules/b && echo '"+oneLine(node("b", "1.0.0"))+"' >/srv/current/node_modules/b/package.json",
			"RUN rm -r /srv/current && ln -s app/node_modules /srv/current"),
		recipe("through-links",
			"RUN mkdir -p /srv/current/node_modules/c && echo '"+oneLine(node("c", "1.0.0"))+"' >/srv/current/node_modules/c/package.json && touch /var/db/new",
			"COPY package.json /srv/current/node_modules/d/package.json"),
		recipe("renamed-folder",
			"RUN mv /srv/app /srv/new && mv /usr/lib/python3 /usr/lib/python4"),
		recipe("modes",
			"RUN chmod 000 /srv/app /usr/lib/python3 /var/lib/dpkg/status && chmod 4111 /usr/local/bin/tool && chmod 1777 /srv/lib",
			"USER 1000:1000",
			"RUN touch /tmp/mine"),
		recipe("special-files",
			"RUN mkfifo /srv/fifo && mknod /srv/null c 1 3 && mknod /srv/disk b 8 0 && rm /srv/app/node_modules/lodash/package.json && mkfifo /srv/app/node_modules/lodash/package.json",
			"RUN rm /srv/lib/app.jar && mknod /srv/lib/app.jar c 1 5"),
		recipe("sparse-file",
			"RUN cp /usr/local/bin/tool /usr/local/bin/large && truncate -s 64M /usr/local/bin/large && truncate -s 40M /srv/empty"),
		recipe("odd-names",
			"RUN mkdir -p '/srv/a b/node_modules/é' \"/srv/$(echo -e 'new\\nline')/node_modules/e\" && touch '/srv/-rf' '/srv/*' '/srv/.wh' && "+
				"echo '"+oneLine(node("e", "1.0.0"))+"' >\"/srv/$(echo -e 'new\\nline')/node_modules/e/package.json\" && cp \"/srv/$(echo -e 'new\\nline')/node_modules/e/package.json\" '/srv/a b/node_modules/é/package.json'",
			"RUN d=/srv/deep; for i in 1 2 3 4 5 6 7 8; do d=$d/$(echo -e 'long\\xff')"+strings.Repeat("0123456789", 20)+"; done; mkdir -p $d/node_modules/f && cp '/srv/a b/node_modules/é/package.json' $d/node_modules/f/package.json",
			"RUN rm -r \"/srv/$(echo -e 'new\\nline')\""),
		recipe("links",
			"RUN ln -s / /srv/root && ln -s ../../../../.. /srv/up && ln -s loop /srv/loop && ln -s b /srv/a && ln -s a /srv/b && ln -s /etc/passwd /srv/lib/passwd.jar && ln -s root/srv/app/node_modules /srv/node_modules",
			"RUN ln -s ../../srv/lib/app.jar /usr/lib/linked.jar && rm -r /srv/app/node_modules"),
		many(125), // the engine makes no more
	}
	return recipes
}

func oneLine(s string) string { return strings.TrimSpace(s) }

// recipe makes a recipe of instructions after FROM.
func recipe(name string, instructions ...string) Recipe {
	r := Recipe{Name: name, Dockerfile: "FROM " + base + "\n" + strings.Join(instructions, "\n") + "\n", Layers: 1,
		Files: map[string]string{"package.json": node("d", "1.0.0")}}
	for _, i := range instructions {
		if strings.HasPrefix(i, "RUN ") || strings.HasPrefix(i, "COPY ") {
			r.Layers++
		}
	}
	return r
}

// many makes an image with many layers.
func many(layers int) Recipe {
	var instructions []string
	for i := range layers - 1 {
		instructions = append(instructions, fmt.Sprintf("COPY package.json /srv/many/node_modules/p%d/package.json", i%50))
	}
	return recipe(fmt.Sprintf("%d-layers", layers), instructions...)
}
