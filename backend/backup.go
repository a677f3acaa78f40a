package backend

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pilothouse/backend/config"
	"pilothouse/backend/request"
	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// serveBackup answers with a backup of everything, Secrets too, while the server
// works on. It is for whoever may get request.BackupPath: cluster-admin, unless
// somebody is given that nonResourceURL.
func (s *Server) serveBackup(_ context.Context, r *request.Request) (*request.Response, error) {
	id, user := r.ID, request.UserAnonymous
	if r.User != nil {
		user = r.User.Name
	}
	return &request.Response{ContentType: "application/octet-stream", Chunked: func(ctx context.Context, w request.ChunkWriter) error {
		revision, err := storage.Backup(ctx, s.stored, w) // what is sealed stays it
		klog.InfoS("Backup", "revision", revision, "user", user, "audit-ID", id, "err", err)
		if err != nil {
			return err // the client sees that the end is missing
		}
		return w.Flush()
	}}, nil
}

// Backup writes a backup of the storage that the options name, on which no
// server of a data folder may run, and gives its revision.
func Backup(ctx context.Context, o *config.Storage, w io.Writer) (int64, error) {
	engine, err := openEngine(ctx, o)
	if err != nil {
		return 0, storageTrouble(o, err)
	}
	defer engine.Close()
	if _, err := engine.Load(ctx, func(storage.Record) error { return nil }); err != nil {
		return 0, err
	}
	return storage.Backup(ctx, engine, w)
}

// Restore fills the storage that the options name, which must never have been
// written, from a backup, and gives the revision that it is at then: the
// backup's, and bump more.
func Restore(ctx context.Context, o *config.Storage, r io.Reader, bump int64) (int64, error) {
	engine, err := openEngine(ctx, o)
	if err != nil {
		return 0, storageTrouble(o, err)
	}
	revision, err := storage.RestoreAfter(ctx, engine, r, bump)
	switch {
	case errors.Is(err, storage.ErrNotEmpty) && o.Etcd.InUse():
		err = fmt.Errorf("the etcd cluster was written before: a backup can only be restored into a new one")
	case errors.Is(err, storage.ErrNotEmpty):
		err = fmt.Errorf("the data folder %s has objects: restore into another one, or move its folder db away first", o.DataDir)
	}
	return revision, errors.Join(err, engine.Close())
}
