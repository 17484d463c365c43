package main

import (
	"log/slog"
	"time"

	"assay/service/osvapi"
	"assay/service/snapshot"
)

// osv returns the configuration of the API of OSV.
func (conf serveConfig) osv(records osvapi.Records, index *snapshot.DB, now func() time.Time, log *slog.Logger) osvapi.Config {
	return osvapi.Config{
		Records: records,
		View: func() (osvapi.View, error) {
			v, err := index.View()
			if err != nil {
				return nil, err // not v, which would be an interface of a nil pointer
			}
			return v, nil
		},
		Evaluator: conf.evaluator,
		Anonymous: conf.osvAnonymous,
		Now:       now,
		Log:       log,
	}
}
