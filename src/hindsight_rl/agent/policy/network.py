"""The action-value network, a product of two parts: one for the observation, one for the goal.

Q(s, a, g) = <psi(s)_a, omega(g)>: `psi` is an MLP with LayerNorm over the observation that ends in one vector per
action, `omega` a map from the instruction's condition (sentence embedding and nearest-event distribution). The
product form makes the values of *all* known goals for one observation a single small matrix product, so hindsight
updates on many goals are almost as fast as on one.
"""

from collections.abc import Callable
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from hindsight_rl.agent.policy.per_action import taken_linear


class Head(nn.Module):
    """One linear map per action: `kernel` [n_actions, width, rank], the layout for products over blocks of samples with
    the same action.

    Attributes:
        n_actions, width, rank: as in `QNetwork`.
    """

    n_actions: int
    width: int
    rank: int

    def setup(self) -> None:
        # Values start near zero: a success is worth 1, and nearly all first targets are 0.
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal", batch_axis=0)
        self.kernel = self.param("kernel", small, (self.n_actions, self.width, self.rank))
        self.bias = self.param("bias", nn.initializers.zeros, (self.n_actions, self.rank))

    def flat(self) -> jax.Array:
        """The kernels side by side, [width, n_actions * rank]."""
        return self.kernel.transpose(1, 0, 2).reshape(self.width, -1)

    def __call__(self, x: jax.Array, flat: jax.Array | None = None) -> jax.Array:
        """[..., width] -> [..., n_actions, rank]."""
        vectors = x @ (self.flat() if flat is None else flat)
        return vectors.reshape(*x.shape[:-1], self.n_actions, self.rank) + self.bias

    def taken(self, x: jax.Array, action: jax.Array) -> jax.Array:
        """[N, width] and actions [N] -> [N, rank], of these actions alone."""
        return taken_linear(x, self.kernel, self.bias, action)

    def values(self, x: jax.Array, omega: jax.Array) -> jax.Array:
        """[..., width] and a few goals [H, rank] -> [..., H, n_actions], without computing each action's vector."""
        kernel = jnp.einsum("awr,hr->wha", self.kernel, omega)
        values = x @ kernel.reshape(self.width, -1) + jnp.einsum("ar,hr->ha", self.bias, omega).reshape(-1)
        return values.reshape(*x.shape[:-1], len(omega), self.n_actions)


class QNetwork(nn.Module):
    """Action values conditioned on goals.

    Attributes:
        n_actions: number of actions.
        width: hidden units of each layer of psi.
        depth: hidden layers of psi.
        rank: length of the two vectors whose dot product is the value.
    """

    n_actions: int
    width: int = 256
    depth: int = 2
    rank: int = 64

    def setup(self) -> None:
        self.layers = [nn.Dense(self.width) for _ in range(self.depth)]
        self.norms = [nn.LayerNorm() for _ in range(self.depth)]
        self.head = Head(self.n_actions, self.width, self.rank)
        self.goal = nn.Dense(self.rank, kernel_init=nn.initializers.normal(1.0))

    def trunk(self, observation: jax.Array) -> jax.Array:
        """Observations [..., F] -> hidden units [..., width]."""
        x = observation
        for dense, norm in zip(self.layers, self.norms, strict=True):
            x = nn.relu(norm(dense(x)))
        return x

    def psi(self, observation: jax.Array, flat: jax.Array | None = None) -> jax.Array:
        """Observations [..., F] -> [..., n_actions, rank]; ``flat`` is of :func:`psi_of`."""
        return self.head(self.trunk(observation), flat)

    def flat(self) -> jax.Array:
        """The head's kernels side by side."""
        return self.head.flat()

    def taken(self, observation: jax.Array, action: jax.Array) -> jax.Array:
        """`psi` of one action each: observations [N, F] and actions [N] -> [N, rank]."""
        return self.head.taken(self.trunk(observation), action)

    def psi_of_hidden(self, hidden: jax.Array) -> jax.Array:
        """Hidden units [..., width] -> [..., n_actions, rank]."""
        return self.head(hidden)

    def values(self, hidden: jax.Array, omega: jax.Array) -> jax.Array:
        """Values for a few goals: hidden units [..., width] and [H, rank] -> [..., H, n_actions]."""
        return self.head.values(hidden, omega)

    def omega(self, condition: jax.Array) -> jax.Array:
        """Conditions of goals [..., C] -> [..., rank]."""
        return self.goal(condition) / jnp.sqrt(self.rank)

    def __call__(self, observation: jax.Array, condition: jax.Array) -> jax.Array:
        """Values of every action: observations [..., F] and conditions [..., C] -> [..., n_actions]."""
        return jnp.einsum("...ar,...r->...a", self.psi(observation), self.omega(condition))


def trunk(network: QNetwork, params: Any, observation: jax.Array) -> jax.Array:
    """`QNetwork.trunk` with parameters: [..., F] -> [..., width]."""
    return cast(jax.Array, network.apply(params, observation, method=network.trunk))


def psi(network: QNetwork, params: Any, hidden: jax.Array) -> jax.Array:
    """`QNetwork.psi_of_hidden` with parameters: [..., width] -> [..., n_actions, rank]."""
    return cast(jax.Array, network.apply(params, hidden, method=network.psi_of_hidden))


def psi_of(network: QNetwork, params: Any) -> Callable[[jax.Array], jax.Array]:
    """`QNetwork.psi` with parameters, for many calls: the head's kernels are joined only once."""
    flat = network.apply(params, method=network.flat)

    def psi(observation: jax.Array) -> jax.Array:
        return cast(jax.Array, network.apply(params, observation, flat, method=network.psi))

    return psi


def omega(network: QNetwork, params: Any, condition: jax.Array) -> jax.Array:
    """`QNetwork.omega` with parameters: [..., C] -> [..., rank]."""
    return cast(jax.Array, network.apply(params, condition, method=network.omega))


def taken(network: QNetwork, params: Any, observation: jax.Array, action: jax.Array) -> jax.Array:
    """`QNetwork.taken` with parameters: [N, F] and [N] -> [N, rank]."""
    return cast(jax.Array, network.apply(params, observation, action, method=network.taken))


def values(network: QNetwork, params: Any, hidden: jax.Array, omega: jax.Array) -> jax.Array:
    """`QNetwork.values` with parameters: [..., width] and [H, rank] -> [..., H, n_actions]."""
    return cast(jax.Array, network.apply(params, hidden, omega, method=network.values))
