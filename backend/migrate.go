package backend

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pilothouse/backend/config"
	"pilothouse/backend/metrics"
	"pilothouse/backend/storage"
)

// Migrate copies all objects from the data folder to etcd, or from etcd to the
// data folder, each at its revision, so that clients can go on with the resource
// versions that they know. It gives the revision of the copy. The target must
// never have been written; no server may run on either.
func Migrate(ctx context.Context, o *config.Storage, toEtcd bool) (int64, error) {
	if !o.Etcd.InUse() {
		return 0, errors.New("--etcd-servers says which cluster to migrate")
	}
	folder, err := openFolder(o)
	if err != nil {
		return 0, storageTrouble(&config.Storage{DataDir: o.DataDir}, err)
	}
	defer folder.Close()
	cluster, err := openCluster(ctx, o)
	if err != nil {
		return 0, err
	}
	defer cluster.Close()
	if toEtcd {
		return migrate(ctx, folder, cluster)
	}
	return migrate(ctx, cluster, folder)
}

func migrate(ctx context.Context, from, to storage.Engine) (int64, error) {
	if _, err := from.Load(ctx, func(storage.Record) error { return nil }); err != nil {
		return 0, err
	}
	if from.Position().Revision <= 1 {
		return 0, errors.New("there is nothing to migrate: the source was never written")
	}
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(metrics.Protected("storage", func() error {
			_, err := storage.Backup(ctx, from, w)
			return err
		}))
	}()
	revision, err := storage.Restore(ctx, to, r)
	r.Close()
	if errors.Is(err, storage.ErrNotEmpty) {
		return 0, fmt.Errorf("the target holds something already: %w", err)
	}
	return revision, err
}
