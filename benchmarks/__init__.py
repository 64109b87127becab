"""xgrad beside hand-written NumPy and its peers: ``python -m benchmarks`` from the root of the repository.

Every gradient is compared with the hand-written one before anything is timed.  In every round each contender is
measured in turn, and what is reported is the median over the rounds of the ratio to the reference *in the same round*,
so a busy or slow machine disturbs it little.  The reference is NumPy written by hand; with ``--device cuda`` it is
PyTorch eager on the same GPU.

``tasks``: what is computed, with the hand-written versions.  ``peers``: one small adapter for each library.
``measure``: rounds and checks.  ``peak``, ``high_water``: peak memory.  ``alone``: what concerns xgrad only.
``report``, ``plot``: table and JSON, and a picture.  ``examples``, ``accuracy``: the examples beside PyTorch.
"""
