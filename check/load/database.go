package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/check/testkit/assayd"
	"assay/check/testkit/pgtest"
)

// postgres returns the server of the rig, which the first call starts. Unlike the server
// of the tests it writes everything to the disk, as PostgreSQL does by default.
func (r *rig) postgres() (*pgtest.Server, error) {
	var err error
	if r.server == nil {
		r.server, err = pgtest.Run("fsync=on", "full_page_writes=on", "shared_buffers=256MB")
	}
	return r.server, err
}

// newDatabase makes a database in the rig's own server and returns its URL.
func (r *rig) newDatabase(ctx context.Context, name string) (string, error) {
	s, err := r.postgres()
	if err != nil {
		return "", err
	}
	return s.URL(name), execute(ctx, s.URL("postgres"), "CREATE DATABASE "+name)
}

func execute(ctx context.Context, url, query string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, query); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

func databaseSize(ctx context.Context, url string) (n int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, "SELECT pg_database_size(current_database())").Scan(&n)
	return n, err
}

// A meter measures what assayd, and PostgreSQL if the rig started it, use for scans.
type meter struct {
	rig           *rig
	s             *assayd.Server
	assayd, other usage // at the start
}

func (r *rig) measure(s *assayd.Server) (*meter, error) {
	m := &meter{rig: r, s: s}
	var err error
	m.assayd, m.other, err = m.read()
	return m, err
}

func (m *meter) read() (own, other usage, err error) {
	if own, err = usageOf(m.s); err != nil || m.rig.server == nil {
		return own, other, err
	}
	pid, err := m.rig.server.PID()
	if err != nil {
		return own, other, err
	}
	other, err = usageOfFamily(pid)
	return own, other, err
}

// report describes what n scans since the start took, and the memory now.
func (m *meter) report(n int) (string, error) {
	own, other, err := m.read()
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("CPU a scan %s, resident %d MiB", perScan(own.cpu-m.assayd.cpu, n), own.memory>>20)
	if m.rig.server != nil {
		text += fmt.Sprintf("; PostgreSQL: CPU a scan %s, %d MiB", perScan(other.cpu-m.other.cpu, n), other.memory>>20)
	}
	return text + "; load average " + loadAverage(), nil
}
