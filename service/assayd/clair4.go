package main

import (
	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/service/api"
	v4 "assay/service/clair/v4"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/store"
	"assay/verdict/hint"
)

// clair4Flags are the flags of serve for the API of Clair v4.
func clair4Flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "clair-psk", Usage: "accept the JWTs of Clair v4's clients, by auth.psk in `FILE` (Clair's configuration, in YAML)"},
		&cli.StringFlag{Name: "clair-psk-project", Usage: "let those JWTs scan and read `PROJECT` (required with --clair-psk)"},
	}
}

// newPSK reads the flags for the JWTs of Clair's clients. It returns nil without them.
func newPSK(c *cli.Context) (*v4.PSK, error) {
	path, project := c.String("clair-psk"), c.String("clair-psk-project")
	if (path == "") != (project == "") {
		return nil, hint.Errorf("name the project whose images the holders of the key may index and read", "--clair-psk and --clair-psk-project belong together")
	}
	if path == "" {
		return nil, nil
	}
	psk, err := v4.ReadPSK(path, project)
	if err != nil {
		return nil, hint.Errorf("name Clair's configuration, or a file with auth.psk.key and auth.psk.iss", "--clair-psk: %w", err)
	}
	return psk, nil
}

// serveClair4 adds the API of Clair v4 to a server.
func (d *daemon) serveClair4(server *httpserver.Server, handled api.Config, images imageSetup, psk *v4.PSK, st store.Store) {
	images.scanner.Defaults()
	v4.Handle(server, v4.Config{
		Records: &image.Records{Files: st, Now: d.now},
		Scans:   st,
		Scanner: images.scanner,
		Fetcher: images.fetcher,
		PSK:     psk,
		Version: buildinfo.Version(version),
		Longest: images.scanner.Patience + images.scanner.Timeout,
		Scanned: handled.Scanned,
		Now:     d.now,
	})
}
