package httpserver

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"assay/verdict/hint"
)

// ServeProfiles serves the profiles of net/http/pprof under /debug/pprof/ until stop is
// called. They show what is in memory and need no token, so only processes of this
// machine can reach them.
func ServeProfiles(log *slog.Logger, addr string) (stop func() error, err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, hint.Errorf("choose another address with --debug-listen", "%w", err)
	}
	if !Loopback(ln.Addr()) {
		ln.Close()
		return nil, hint.Errorf("it looks like 127.0.0.1:6060", "--debug-listen %q can be reached from other machines", addr)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln) //nolint:errcheck // it ends with stop
	log.Info("profiles", "listen", ln.Addr().String())
	return srv.Close, nil
}

// ServeMetrics serves metrics under /metrics, and the probes of front, until stop is
// called. Metrics name no token and no package, but they need none either: addr is for a
// network of the operator's.
func ServeMetrics(log *slog.Logger, addr string, metrics http.Handler, front *Front) (stop func() error, err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, hint.Errorf("choose another address with --metrics-listen", "%w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /livez", front)
	mux.Handle("GET /readyz", front)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(ln) //nolint:errcheck // it ends with stop
	log.Info("metrics", "listen", ln.Addr().String())
	return srv.Close, nil
}
