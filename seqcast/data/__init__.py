"""From the user's data to the arrays that the loops read.

==============  ================================================================================
``frames``      Series, frames and arrays in; one checked float table with its index out
``calendar``    how an index goes on: step numbers of stamps, natural season, stamps to come
``windows``     which stretches of a table make one training example; views, never copies
``scaling``     from the user's units to the network's and back
``text``        characters to integers and back
==============  ================================================================================

``frames`` and ``calendar`` are the only files of the library that know pandas: whatever lies
below them sees NumPy arrays.
"""
