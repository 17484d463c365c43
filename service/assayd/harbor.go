package main

import (
	"log/slog"

	"assay/cli/buildinfo"
	"assay/service/api"
	"assay/service/harbor"
	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
)

// serveHarbor adds Harbor's scanner API to a server. The caller stops its work.
func (d *daemon) serveHarbor(server *httpserver.Server, handled api.Config, conf serveConfig, st store.Store, index *snapshot.DB, log *slog.Logger) *harbor.Handler {
	return harbor.Handle(server, harbor.Config{
		Records: &image.Records{Files: st, Now: d.now},
		Scans:   st,
		Scanner: conf.images.scanner,
		Fetcher: conf.images.fetcher,
		Data: func() (verdict.Data, error) {
			v, err := index.View()
			if err != nil {
				return verdict.Data{}, err
			}
			defer v.Close()
			return conf.evaluator.Whole(v.Data()), nil
		},
		Version: buildinfo.Version(version),
		Scanned: handled.Scanned,
		Now:     d.now,
		Log:     log,
	})
}
