package core

import (
	"pilothouse/backend/registry"
	"pilothouse/backend/resources/printers"
	"pilothouse/backend/scheme"

	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// componentStatusResource shows what this server can say about the parts of a
// control plane: it has the storage and the controllers within, so they are
// healthy whenever it answers.
func componentStatusResource(env *registry.Env) registry.Resource {
	return registry.Resource{
		Name:       "componentstatuses",
		Singular:   "componentstatus",
		Kind:       "ComponentStatus",
		ShortNames: []string{"cs"},
		Verbs:      []string{"get", "list"},
		Versions: []registry.Version{{
			Name:       "v1",
			New:        func() scheme.Object { return &corev1.ComponentStatus{} },
			Deprecated: "v1 ComponentStatus is deprecated in v1.19+",
		}},
		Virtual: &registry.Virtual{
			New:  func() runtime.Object { return &corev1.ComponentStatus{} },
			Get:  getComponentStatus,
			List: listComponentStatuses,
		},
		Columns: []registry.Column{
			printers.Name,
			printers.Column("Status", "Status of the component conditions"),
			printers.Column("Message", "Message of the component conditions"),
			printers.Column("Error", "Error of the component conditions"),
		},
		Cells: registry.Row(componentStatusCells),
	}
}

var components = []string{"controller-manager", "etcd-0", "scheduler"}

func componentStatus(name string) *corev1.ComponentStatus {
	return &corev1.ComponentStatus{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Conditions: []corev1.ComponentCondition{{
			Type:    corev1.ComponentHealthy,
			Status:  corev1.ConditionTrue,
			Message: "ok",
		}},
	}
}

func getComponentStatus(_ context.Context, c registry.Call) (runtime.Object, error) {
	for _, name := range components {
		if name == c.Name {
			return componentStatus(name), nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("componentstatus"), c.Name)
}

func listComponentStatuses(context.Context, registry.Call) ([]runtime.Object, error) {
	var out []runtime.Object
	for _, name := range components {
		out = append(out, componentStatus(name))
	}
	return out, nil
}

func componentStatusCells(s *corev1.ComponentStatus, _ registry.Clock) []any {
	status, message, failure := "Unknown", "", ""
	for _, c := range s.Conditions {
		if c.Type != corev1.ComponentHealthy {
			continue
		}
		status = "Unhealthy"
		if c.Status == corev1.ConditionTrue {
			status = "Healthy"
		}
		message, failure = c.Message, c.Error
		break
	}
	return []any{s.Name, status, message, failure}
}
