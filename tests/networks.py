"""Equinox modules that a caller might write."""

import equinox as eqx
import jax
import jax.numpy as jnp


class Wave(eqx.Module):
    """Affine, then a sine, then affine; one layer has a plain function for an entry."""

    first: eqx.nn.Linear
    squash: object
    second: eqx.nn.Linear
    name: str = eqx.field(static=True)

    def __init__(self, key, observation_size, num_outputs):
        one, other = jax.random.split(key)
        self.first = eqx.nn.Linear(observation_size, 8, key=one)
        self.squash = lambda values: jnp.sin(values)  # another object in every module
        self.second = eqx.nn.Linear(8, num_outputs, key=other)
        self.name = "wave"

    def __call__(self, observation):
        return self.second(self.squash(self.first(observation)))


class Recurrent(eqx.Module):
    """A gated recurrent unit over windows whose rows have 3 entries."""

    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear

    def __init__(self, key, observation_size, num_outputs):
        one, other = jax.random.split(key)
        self.cell = eqx.nn.GRUCell(3, 16, key=one)
        self.head = eqx.nn.Linear(16, num_outputs, key=other)

    def __call__(self, window):
        def step(state, row):
            return jnp.where(row[0] > 0, self.cell(row, state), state), None

        state, _ = jax.lax.scan(step, jnp.zeros(16), window.reshape(-1, 3))
        return self.head(state)


class Image(eqx.Module):
    """A convolution over the observation as an image with one row, and a linear layer."""

    convolution: eqx.nn.Conv1d
    head: eqx.nn.Linear

    def __init__(self, key, observation_size, num_outputs):
        one, other = jax.random.split(key)
        self.convolution = eqx.nn.Conv1d(1, 4, kernel_size=3, key=one)
        self.head = eqx.nn.Linear(4 * (observation_size - 2), num_outputs, key=other)

    def __call__(self, observation):
        return self.head(jax.nn.relu(self.convolution(observation[None])).ravel())


def perceptron(key, observation_size, num_outputs):
    return eqx.nn.MLP(observation_size, num_outputs, 16, 1, activation=jnp.tanh, key=key)
