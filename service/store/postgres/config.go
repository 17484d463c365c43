package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Deadlines. The server also enforces those of statements and idle transactions, so that
// a stalled client does not hold locks for long.
const (
	connectTime = 5 * time.Second
	acquireTime = 5 * time.Second  // for a free connection of the pool
	pingTime    = 2 * time.Second  // for the check of an idle connection
	readyTime   = 2 * time.Second  // see Store.Ready
	quickTime   = 10 * time.Second // for a statement that a scan waits for
	slowTime    = time.Minute      // for any other statement
	bulkTime    = 10 * time.Minute // for a statement that writes an import
	idleTime    = time.Minute      // for a transaction between two statements
)

// defaultConns is the size of the pool, unless the URL has pool_max_conns.
const defaultConns = 16

// ErrBadURL says that a database URL is invalid. An error that wraps it never contains the
// URL, which may have a password in it.
var ErrBadURL = errors.New("invalid database URL")

// HasPassword reports whether a database URL has a password in it. A URL that cannot be
// parsed is an error.
func HasPassword(databaseURL string) (bool, error) {
	u, err := splitURL(databaseURL)
	if err != nil {
		return false, err
	}
	if _, set := u.User.Password(); set {
		return true, nil
	}
	for key := range u.Query() {
		if strings.Contains(strings.ToLower(key), "password") { // sslpassword too
			return true, nil
		}
	}
	return false, nil
}

// splitURL does not wrap the error of url.Parse: it quotes parts of the URL.
func splitURL(databaseURL string) (*url.URL, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be parsed", ErrBadURL)
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("%w: it does not begin with postgres://", ErrBadURL)
	}
	// Else a password with such a character would end in the name of the database, which
	// is in error messages.
	_, after, _ := strings.Cut(databaseURL, "://")
	if i := strings.IndexAny(after, "/?#"); i >= 0 && strings.Contains(after[i:], "@") {
		return nil, fmt.Errorf("%w: it has an @ after the host", ErrBadURL)
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, fmt.Errorf("%w: its parameters cannot be parsed", ErrBadURL)
	}
	return u, nil
}

// parseURL returns the configuration of the pool. It does not wrap the errors of pgx,
// which contain the URL.
func parseURL(databaseURL string) (*pgxpool.Config, error) {
	u, err := splitURL(databaseURL)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("%w: one of its parameters, or one of the PG variables, is invalid", ErrBadURL)
	}
	if !u.Query().Has("pool_max_conns") {
		config.MaxConns = defaultConns
	}
	if config.MaxConns < 4 {
		return nil, fmt.Errorf("%w: pool_max_conns is less than 4", ErrBadURL)
	}
	config.PingTimeout = pingTime
	config.AfterRelease = writable
	if config.ConnConfig.ConnectTimeout == 0 || config.ConnConfig.ConnectTimeout > connectTime {
		config.ConnConfig.ConnectTimeout = connectTime
	}
	for name, value := range map[string]string{
		"application_name":                    "assayd",
		"statement_timeout":                   milliseconds(slowTime),
		"idle_in_transaction_session_timeout": milliseconds(idleTime),
		// Compiling a query takes seconds, which a page of a few thousand rows never saves.
		"jit": "off",
		// A query of a client that is gone ends, and releases its locks.
		"client_connection_check_interval": "5000",
		// With these the server notices that a client is gone. They have no effect on a
		// Unix socket.
		"tcp_keepalives_idle":     "30",
		"tcp_keepalives_interval": "10",
		"tcp_keepalives_count":    "3",
		"tcp_user_timeout":        milliseconds(idleTime),
	} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	return config, nil
}

// writable reports whether a connection is kept. One to a server that became read-only
// would stay read-only, or connected to a standby, when the database can be written again.
func writable(conn *pgx.Conn) bool {
	c := conn.PgConn()
	return c.ParameterStatus("default_transaction_read_only") != "on" && c.ParameterStatus("in_hot_standby") != "on"
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
