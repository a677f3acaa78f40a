package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"pilothouse/backend/request"
)

// Backup writes a backup of a running server, the one of a kubeconfig or, without
// one, of a data folder's.
func Backup(ctx context.Context, kubeconfig, dataDir string, out io.Writer) error {
	w := where{kubeconfig: kubeconfig, dataDir: dataDir}
	s, err := w.connect()
	if err != nil {
		return err
	}
	s.http.Timeout = 0 // it takes what it takes
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+request.BackupPath, nil)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(r)
	var nobody *url.Error
	if errors.As(err, &nobody) {
		return fmt.Errorf("%w; --offline backs up the storage of a server that does not run", err)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	_, err = io.Copy(out, resp.Body)
	return err
}
